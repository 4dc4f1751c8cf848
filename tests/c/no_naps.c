/*
 * To preload: sleeps on futexes and descriptors have no end of their own, so that a wake-up that is lost
 * stays lost and is not made good a second later.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "interpose.h"

static long intercept(long number, long a[6]) {
    if (number == SYS_futex && a[1] == FUTEX_WAIT_BITSET) a[3] = 0;
    if (number == 449) a[3] = 0; /* futex_waitv, which older headers lack */
    return system_call(number, a);
}

int ppoll(struct pollfd *entries, nfds_t count, const struct timespec *time, const sigset_t *signals) {
    (void)time;
    return (int)system_call(SYS_ppoll, (long[6]){(long)entries, (long)count, 0, (long)signals, 8});
}
