/*
 * To preload: sleeps on futexes have no end of their own, so that a wake-up that is lost
 * stays lost and is not made good a second later.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>

typedef long (*SystemCall)(long number, ...);

long syscall(long number, ...) {
    static SystemCall next;
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "syscall");
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_futex && a[1] == FUTEX_WAIT_BITSET) a[3] = 0;
    if (number == 449) a[3] = 0; /* futex_waitv, which older headers lack */
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
