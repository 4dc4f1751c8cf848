/* What can't stand in a header. */
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
#endif

void zincbench_semaphore(void *line) { sem_init(line, 1, 0); }

void zincbench_semaphore_say(uintptr_t line, uint32_t round) {
    (void)round;
    sem_post((sem_t *)line);
}

void zincbench_semaphore_hear(uintptr_t line, uint32_t round) {
    (void)round;
    while (sem_wait((sem_t *)line) != 0) {
    }
}

/*
 * In the place of libc's where this library is preloaded, for every library of the process:
 * counts what is allocated. Where it is loaded later, nobody finds these.
 */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

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
