/* What can't stand in a header. */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "references.h"
#include "zincbench.h"

#ifdef CZINC_OLDEST_GLIBC
/* They have moved from libpthread into libc since; see CZinc's layout.c. */
__asm__(".symver sem_init, sem_init@" CZINC_OLDEST_GLIBC);
__asm__(".symver sem_post, sem_post@" CZINC_OLDEST_GLIBC);
__asm__(".symver sem_wait, sem_wait@" CZINC_OLDEST_GLIBC);
__asm__(".symver pthread_mutexattr_init, pthread_mutexattr_init@" CZINC_OLDEST_GLIBC);
__asm__(".symver pthread_mutexattr_setpshared, pthread_mutexattr_setpshared@" CZINC_OLDEST_GLIBC);
#ifdef __x86_64__ /* where it is younger */
__asm__(".symver pthread_mutexattr_setrobust, pthread_mutexattr_setrobust@GLIBC_2.12");
#else
__asm__(".symver pthread_mutexattr_setrobust, pthread_mutexattr_setrobust@" CZINC_OLDEST_GLIBC);
#endif
#endif

void zincbench_mutex(void *line, int32_t is_robust) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (is_robust) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(line, &attributes);
}

void zincbench_semaphore(void *line) { sem_init(line, 1, 0); }

void zincbench_binary_semaphore(void *line) { sem_init(line, 1, 1); }

void zincbench_semaphore_say(uintptr_t line, uint32_t round) {
    (void)round;
    sem_post((sem_t *)line);
}

void zincbench_semaphore_hear(uintptr_t line, uint32_t round) {
    (void)round;
    while (sem_wait((sem_t *)line) != 0) {
    }
}

void zincbench_ring(void *place, uint64_t count, uint64_t stride) {
    ZincBenchRing *ring = place;
    ring->count = count;
    ring->stride = stride;
}

void zincbench_kernel_look(int32_t file, uint64_t byte, uint64_t calls) {
    for (uint64_t i = 0; i < calls; i++) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
        fcntl(file, F_OFD_GETLK, &lock);
    }
}

/*
 * In the place of libc's where this library is preloaded, for every library of the process:
 * counts what is allocated. Where it is loaded later, nobody finds these.
 */
#ifdef __GLIBC__
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
#else /* glibc's dlsym allocates; of musl's functions there are no other names */
#define REAL(name, ...) ((void *(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))
#define __libc_malloc REAL(malloc, size_t)
#define __libc_calloc REAL(calloc, size_t, size_t)
#define __libc_realloc REAL(realloc, void *, size_t)
#define __libc_memalign REAL(aligned_alloc, size_t, size_t)
#endif

static _Atomic uint64_t allocations;

uint64_t zincbench_allocations(void) { return allocations; }

void *malloc(size_t size) {
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    allocations++;
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    allocations++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    allocations++;
    *result = __libc_memalign(alignment, size);
    return *result ? 0 : 12; /* ENOMEM */
}

void zincbench_fault(void) {
    void *volatile block = malloc(1); /* volatile, or there is no allocation to count */
    free(block);
    syscall(SYS_getpid);
}
