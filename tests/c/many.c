/*
 * Waits for many more regions than one thread can sleep on: many WHICH, of 300, is notified when
 * all threads sleep. No sleep ends by itself, so this hangs where one of them is not woken; and
 * fails where one of the threads that help would run handlers of signals.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "interpose.h"

enum { COUNT = 300, THREADS = 3 };
static ZincWaitItem items[COUNT];
static int which;
static atomic_int sleeping, taking_signals;

static int takes_signals(void) {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    for (int i = 1; i < 32; i++)
        if (i != SIGKILL && i != SIGSTOP && !sigismember(&blocked, i)) return 1;
    return 0;
}

/* libzinc.so finds this before libc's. */
static long intercept(long number, long a[6]) {
    if (number == SYS_futex_waitv) {
        a[3] = 0; /* the time to wake up */
        if (gettid() != getpid() && takes_signals()) atomic_store(&taking_signals, 1);
        atomic_fetch_add(&sleeping, 1);
    }
    return system_call(number, a);
}

static void *speak(void *unused) {
    while (atomic_load(&sleeping) < THREADS) usleep(1000);
    usleep(50000); /* so that they do sleep; right whether they do or not */
    zinc_notify(items[which].handle);
    return unused;
}

int main(int count, char **arguments) {
    which = count > 1 ? atoi(arguments[1]) : 0;
    for (int i = 0; i < COUNT; i++)
        if (zinc_region_create_anonymous(1, NULL, &items[i].handle) < 0) return 2;
    alarm(30); /* the watchdog */
    pthread_t speaker;
    pthread_create(&speaker, NULL, speak, NULL);
    ZincWaitOptions options = {.size = sizeof options, .deadline_ns = ZINC_FOREVER};
    options.flags = ZINC_WAIT_SLEEP;
    int result = zinc_wait_any(items, COUNT, &options);
    pthread_join(speaker, NULL);
    for (int i = 0; i < COUNT; i++)
        if ((i == which) != (items[i].is_new == 1)) result = 3;
    return result != 0 ? result : atomic_load(&taking_signals) ? 4 : 0;
}
