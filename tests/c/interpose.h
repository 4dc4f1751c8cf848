/*
 * To stand between libzinc.so and the system: whoever includes this says in intercept() what
 * becomes of each raw system call, which libzinc.so then finds before libc; system_call() goes
 * on with one.
 */
#ifndef INTERPOSE_H
#define INTERPOSE_H

#include <dlfcn.h>
#include <stdarg.h>

static long intercept(long number, long a[6]);

static long system_call(long number, const long a[6]) {
    static long (*next)(long, ...);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "syscall");
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

long syscall(long number, ...) {
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    return intercept(number, a);
}

#endif
