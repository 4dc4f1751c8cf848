/*
 * For the tests of what must cost nothing: prints how many allocations each part made, and
 * calls getppid(2) around each part, for a trace of system calls to show. counts ALONE TOGETHER
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of libzincbench.so, whose malloc this program and libzinc.so find before libc's. */
uint64_t zincbench_allocations(void);

/* What is between two of these is a part. */
static long mark(void) {
    getppid();
    return (long)zincbench_allocations();
}

int main(int count, char **arguments) {
    (void)count;
    enum { BATCH = 100 };
    ZincHandle there, back;
    if (zinc_region_create_anonymous(1, NULL, &there) < 0) return 1;
    if (zinc_region_create_anonymous(1, NULL, &back) < 0) return 1;
    long made = (long)zincbench_allocations(); /* at least those two: the counter works */

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
