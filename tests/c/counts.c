/*
 * For the tests of what must cost nothing: prints how many allocations each part made, and
 * calls getppid(2) around each part, for a trace of system calls to show. counts ALONE TOGETHER
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the place of libc's, for libzinc.so too. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_long allocations;

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
    return 0;
}

/* What is between two of these is a part. */
static long mark(void) {
    getppid();
    return allocations;
}

int main(int count, char **arguments) {
    (void)count;
    enum { BATCH = 100 };
    ZincHandle there, back;
    if (zinc_region_create_anonymous(1, NULL, &there) < 0) return 1;
    if (zinc_region_create_anonymous(1, NULL, &back) < 0) return 1;
    long made = allocations; /* at least those two: the counter works */

    const long once = atol(arguments[1]);
    long before = mark();
    for (long i = 0; i < once; i++) {
        if (zinc_try_wait(there) == 0) return 1;
        zinc_notify(there);
        if (zinc_try_wait(there) != 0) return 1;
    }
    long alone = mark() - before;

    const long rounds = atol(arguments[2]);
    pid_t child = fork();
    before = mark();
    for (long i = 0; i < rounds; i++) {
        if (i % BATCH == 0) mark();
        if (child != 0) zinc_notify(there);
        zinc_wait(child != 0 ? back : there, UINT32_MAX);
        if (child == 0) zinc_notify(back);
    }
    long together = mark() - before;
    if (child == 0) _exit(together == 0 ? 0 : 1);
    int status;
    waitpid(child, &status, 0);
    printf("%ld %ld %ld %d\n", made, alone, together, status);
    zinc_close(there);
    zinc_close(back);
    return 0;
}
