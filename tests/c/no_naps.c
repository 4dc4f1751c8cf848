/*
 * To preload: sleeps on futexes have no end of their own, so that a wake-up that is lost
 * stays lost and is not made good a second later.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sys/syscall.h>

#include "interpose.h"

static long intercept(long number, long a[6]) {
    if (number == SYS_futex && a[1] == FUTEX_WAIT_BITSET) a[3] = 0;
    if (number == 449) a[3] = 0; /* futex_waitv, which older headers lack */
    return system_call(number, a);
}
