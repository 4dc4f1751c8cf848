/*
 * What notify and wait cost, against the bare traffic below them, in one run: round trips
 * between two processes, spinning and asleep, and calls that meet nobody. Prints lines of
 * "name median p99" in nanoseconds. latency NAME [ROUNDS]
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, uint64_t *times, long count) {
    qsort(times, (size_t)count, sizeof *times, compare);
    printf("%s %llu %llu\n", what, (unsigned long long)times[count / 2],
           (unsigned long long)times[count * 99 / 100]);
}

static void pin(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* One side of a conversation: says `round`, or hears it. */
typedef struct {
    void (*say)(void *line, uint32_t round);
    void (*hear)(void *line, uint32_t round);
} Manner;

static void spin_say(void *line, uint32_t round) {
    atomic_store_explicit((_Atomic uint32_t *)line, round, memory_order_release);
}

static void spin_hear(void *line, uint32_t round) {
    while (atomic_load_explicit((_Atomic uint32_t *)line, memory_order_acquire) != round)
        __builtin_ia32_pause();
}

static void futex_say(void *line, uint32_t round) {
    spin_say(line, round);
    syscall(SYS_futex, line, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_hear(void *line, uint32_t round) {
    while (atomic_load_explicit((_Atomic uint32_t *)line, memory_order_acquire) != round)
        syscall(SYS_futex, line, FUTEX_WAIT, round - 1, NULL, NULL, 0);
}

static void zinc_say(void *handle, uint32_t round) {
    (void)round;
    zinc_notify(handle);
}

static void zinc_hear(void *handle, uint32_t round) {
    (void)round;
    zinc_wait(handle, UINT32_MAX);
}

static void zinc_look(void *handle, uint32_t round) {
    (void)round;
    while (zinc_try_wait(handle) != 0) __builtin_ia32_pause();
}

static const Manner SPIN = {spin_say, spin_hear}, FUTEX = {futex_say, futex_hear},
                    WAIT = {zinc_say, zinc_hear}, TRY = {zinc_say, zinc_look};

/* Round trips over `there` and `back`, each a line or a handle. */
static void converse(const char *what, Manner manner, void *there, void *back, long rounds, int pinned) {
    pid_t child = fork();
    if (child == 0) {
        if (pinned) pin(1);
        for (long i = 1; i <= rounds; i++) {
            manner.hear(there, (uint32_t)i);
            manner.say(back, (uint32_t)i);
        }
        _exit(0);
    }
    if (pinned) pin(0);
    uint64_t *times = malloc((size_t)rounds * sizeof *times);
    for (long i = 1; i <= rounds; i++) {
        uint64_t start = now();
        manner.say(there, (uint32_t)i);
        manner.hear(back, (uint32_t)i);
        times[i - 1] = now() - start;
    }
    waitpid(child, NULL, 0);
    report(what, times, rounds);
    free(times);
}

/* With bare lines on two pages of their own. */
static void bare(const char *what, Manner manner, long rounds, int pinned) {
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    converse(what, manner, pages, pages + 4096, rounds, pinned);
    munmap(pages, 8192);
}

static ZincHandle create(void) {
    ZincHandle handle;
    if (zinc_region_create_anonymous(1, NULL, &handle) == 0) return handle;
    fprintf(stderr, "%s\n", zinc_error_message());
    exit(1);
}

/* With two regions; handles made while pinned to one processor do not spin. */
static void zinc(const char *what, Manner manner, long rounds, int pinned) {
    if (pinned) pin(0);
    ZincHandle there = create(), back = create();
    converse(what, manner, there, back, rounds, pinned);
    zinc_close(there);
    zinc_close(back);
}

enum { CROWD = 50 };

/* What a crowd of processes and the one who wakes it have between them. */
typedef struct {
    _Atomic uint32_t round, present, done;
} Meeting;

static void crowd_say(void *meeting, uint32_t round) {
    spin_say(meeting, round);
    syscall(SYS_futex, meeting, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static const Manner BROADCAST = {crowd_say, futex_hear};

/* From saying a thing to fifty sleepers until the last of them has heard it. */
static void wake_crowd(const char *what, Manner manner, void *line, Meeting *meeting, long rounds) {
    for (int i = 0; i < CROWD; i++) {
        if (fork() != 0) continue;
        for (long round = 1; round <= rounds; round++) {
            manner.hear(line, (uint32_t)round);
            if (atomic_fetch_add(&meeting->present, 1) + 1 == round * CROWD)
                futex_say(&meeting->done, (uint32_t)round);
        }
        _exit(0);
    }
    uint64_t *times = malloc((size_t)rounds * sizeof *times);
    for (long round = 1; round <= rounds; round++) {
        usleep(3000); /* until all are asleep */
        uint64_t start = now();
        manner.say(line, (uint32_t)round);
        futex_hear(&meeting->done, (uint32_t)round);
        times[round - 1] = now() - start;
    }
    while (wait(NULL) > 0) {
    }
    report(what, times, rounds);
    free(times);
}

/* Once with a bare futex and once with a region whose handle does not spin. */
static void crowds(long rounds) {
    Meeting *meetings = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    wake_crowd("bare_crowd", BROADCAST, &meetings->round, meetings, rounds);
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    pin(0);
    ZincHandle region = create();
    sched_setaffinity(0, sizeof all, &all);
    wake_crowd("zinc_crowd", WAIT, region, meetings + 64, rounds);
    zinc_close(region);
}

/* A million calls that meet nobody. */
static void alone(void) {
    ZincHandle handle = create();
    const long count = 1000000;
    uint64_t start = now();
    for (long i = 0; i < count; i++) zinc_notify(handle);
    uint64_t notified = now();
    zinc_try_wait(handle);
    uint64_t looking = now();
    for (long i = 0; i < count; i++) zinc_try_wait(handle);
    uint64_t looked = now();
    printf("notify_alone %.2f %.2f\n", (double)(notified - start) / count, 0.0);
    printf("try_wait_alone %.2f %.2f\n", (double)(looked - looking) / count, 0.0);
    zinc_close(handle);
}

int main(int count, char **arguments) {
    long rounds = count > 1 ? atol(arguments[1]) : 100000;
    setvbuf(stdout, NULL, _IOLBF, 0);
    bare("bare_spin", SPIN, rounds, 0);
    zinc("zinc_wait", WAIT, rounds, 0);
    zinc("zinc_try_wait", TRY, rounds, 0);
    alone();
    crowds(rounds / 1000);
    bare("bare_futex", FUTEX, rounds / 10, 1);
    zinc("zinc_asleep", WAIT, rounds / 10, 1);
    return 0;
}
