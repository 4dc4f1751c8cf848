/* What can't stand in a header. */
#include "czinc.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "zinc.h"

#define AT(field, offset)                                                                                    \
    _Static_assert(offsetof(struct czinc_header, field) == (offset), #field " has moved")
AT(magic, 0);
AT(version, 8);
AT(flags, 10);
AT(sequence, 12);
AT(capacity, 16);
AT(parked, 24);
AT(creator_pid, 28);
AT(created_at, 32);
AT(id, 40);
AT(data_offset, 48);
AT(woken, 56);
AT(reserved, 60);
AT(kind, 64);
AT(metadata_length, 68);
AT(kept_until, 72);
AT(tickets, 80);
AT(owner, 88);
AT(lock_word, 96);
AT(lock_pid, 100);
AT(lock_since, 104);

/* As RegionName+Examine.swift has them; what is new comes after the metadata. */
_Static_assert(offsetof(ZincRegionInfo, metadata) == 104, "metadata has moved");
_Static_assert(offsetof(ZincRegionInfo, layout) == 104 + 2048, "the smallest info ends before its layout");

_Static_assert(offsetof(ZincOptions, contents) == 40, "the smallest options end before the contents");

_Static_assert(sizeof(uintptr_t) == 8, "zinc is for 64-bit systems");

static _Thread_local char message[CZINC_MESSAGE_SIZE];

char *czinc_message(void) { return message; }

#ifdef CZINC_OLDEST_GLIBC
/*
 * glibc 2.32 and 2.34 moved these from libpthread into libc, with a new version of the same function.
 * The old one keeps a library that is built on a new system loadable on an old one.
 */
__asm__(".symver pthread_create, pthread_create@" CZINC_OLDEST_GLIBC);
__asm__(".symver pthread_join, pthread_join@" CZINC_OLDEST_GLIBC);
__asm__(".symver pthread_detach, pthread_detach@" CZINC_OLDEST_GLIBC);
__asm__(".symver pthread_sigmask, pthread_sigmask@" CZINC_OLDEST_GLIBC);
#endif

_Static_assert(sizeof(pthread_t) <= sizeof(struct czinc_thread), "a thread's id does not fit");

int32_t czinc_thread_start(struct czinc_thread *thread, void *(*run)(void *), void *argument) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t id;
    int error = pthread_create(&id, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) thread->id = (uintptr_t)id;
    return -error;
}

int32_t czinc_thread_start_detached(void *(*run)(void *), void *argument) {
    struct czinc_thread thread;
    int32_t error = czinc_thread_start(&thread, run, argument);
    if (error == 0) pthread_detach((pthread_t)thread.id);
    return error;
}

void czinc_thread_join(struct czinc_thread thread) { pthread_join((pthread_t)thread.id, NULL); }

/* The core's takes its place; a library that has only this file has none. */
__attribute__((weak)) void czinc_when_loaded(void) {}

__attribute__((constructor)) static void when_loaded(void) { czinc_when_loaded(); }

void *czinc_allocate(uintptr_t size) { return malloc(size); }

void *czinc_reallocate(void *memory, uintptr_t size) { return realloc(memory, size); }

void czinc_free(void *memory) { free(memory); }

uint64_t czinc_file_limit(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) < 0 ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}

const char *czinc_environment(const char *name) {
#ifdef CZINC_DARWIN_H
    return issetugid() ? NULL : getenv(name);
#else
    return secure_getenv(name);
#endif
}

int32_t czinc_at_exit(void (*function)(void)) { return atexit(function) ? -ENOMEM : 0; }
