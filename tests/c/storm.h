/*
 * Storms: processes that write, and others, of which one is killed every few milliseconds. What does
 * not hold is printed, noted in `seen->line`, and ends the process: whoever includes this has a `seen`
 * of its own, in shared memory.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "line %d: not so: %s: %s\n", __LINE__, #condition, zinc_error_message());        \
            atomic_store(&seen->line, __LINE__);                                                             \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of a payload, each word is the tag. */
static inline int has_all(const void *data, uint64_t payload, const ZincMessageHead *head) {
    for (uint64_t i = 0; i < payload / 8; i++)
        if (((const volatile uint64_t *)data)[i] != head->tag) return 0;
    return head->length == payload;
}

/*
 * Starts `all` processes, kills one after another for so long, or until something did not hold, and
 * then all of them. Returns for how many seconds at most `progress` was the same number.
 */
static double rage(double seconds, int all, pid_t (*start)(int number), const atomic_int *line,
                   atomic_ulong *kills, const atomic_ulong *progress) {
    pid_t *pids = calloc((size_t)all, sizeof *pids);
    for (int i = 0; i < all; i++) pids[i] = start(i);
    srandom((unsigned)getpid());
    double end = now() + seconds, since = now(), worst = 0;
    unsigned long last = 0;
    while (now() < end && atomic_load(line) == 0) {
        usleep(500 + (useconds_t)(random() % 6000));
        int one = (int)(random() % all);
        kill(pids[one], SIGKILL);
        waitpid(pids[one], NULL, 0);
        atomic_fetch_add(kills, 1);
        pids[one] = start(one);
        unsigned long is = atomic_load(progress);
        if (is != last) {
            if (now() - since > worst) worst = now() - since;
            since = now();
            last = is;
        }
    }
    for (int i = 0; i < all; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    free(pids);
    return worst;
}
