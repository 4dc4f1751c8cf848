/*
 * Prints how often each of 64 waits that hear nothing looks at the clock before it sleeps: once,
 * to know when to wake up, and more often if it spins first. Pinned before it attaches.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>

#include "interpose.h"

static long looks, looks_before_sleep;

/* libzinc.so finds these before libc's. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "clock_gettime");
    looks++;
    return next(clock, time);
}

static long intercept(long number, long a[6]) {
    if (number == SYS_futex && looks_before_sleep == 0) looks_before_sleep = looks;
    return system_call(number, a);
}

int main(void) {
    cpu_set_t allowed, one;
    sched_getaffinity(0, sizeof allowed, &allowed);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &allowed)) CPU_SET(i, &one);
    sched_setaffinity(0, sizeof one, &one);
    ZincHandle region;
    if (zinc_region_create_anonymous(1, NULL, &region) < 0) return 1;
    for (int i = 0; i < 64; i++) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        uint64_t soon = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + 2000000u;
        ZincWaitOptions options = {.size = sizeof options, .deadline_ns = soon};
        looks = looks_before_sleep = 0;
        zinc_region_wait(region, &options);
        printf("%ld ", looks_before_sleep ? looks_before_sleep : looks); /* it came late */
    }
    zinc_close(region);
    return 0;
}
