/*
 * Stops a wait after each of its instructions, one after the other, while another thread closes
 * what it waits for: close_amid_wait HOW. The close either waits for the wait to end, or the wait
 * touches nothing of the region any more; else it dies of SIGSEGV. Prints how many places there
 * were to stop at. HOW is
 *
 *     news, many-news    there is something new, so it does not sleep: all of the call
 *     sleep, many-sleep  what it does when it is woken
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "interpose.h"

enum { TRAP_FLAG = 0x100 };
static ZincHandle region;
static int is_many, sleeps;
static int stop_at, steps;
static atomic_int is_asleep, is_stopped, is_closed, has_returned;

static void step(int on) {
    if (on)
        __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
    else
        __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

/* After each instruction. */
static void on_trap(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)info;
    if (++steps < stop_at) return;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    atomic_store(&is_stopped, 1);
    /* A close that waits for this wait is not to be waited for. */
    for (int i = 0; i < 20 && !atomic_load(&is_closed); i++) usleep(100);
}

/* libzinc.so finds this before libc's. */
static long intercept(long number, long a[6]) {
    int is_ours = sleeps && gettid() != getpid() && !atomic_load(&is_asleep);
    if (is_ours) atomic_store(&is_asleep, 1);
    long result = system_call(number, a);
    int error = errno;
    if (is_ours) step(1);
    errno = error;
    return result;
}

static void *wait_for_it(void *unused) {
    ZincWaitOptions options = {.size = sizeof options, .deadline_ns = ZINC_FOREVER, .flags = ZINC_WAIT_SLEEP};
    ZincWaitItem items[2] = {{.handle = region}, {.handle = region}};
    if (!sleeps) step(1);
    int result = is_many ? zinc_wait_any(items, 2, &options) : zinc_region_wait(region, &options);
    step(0);
    if (result != 0 && result != -ECANCELED) _exit(1);
    atomic_store(&has_returned, 1);
    return unused;
}

int main(int count, char **arguments) {
    const char *how = count > 1 ? arguments[1] : "";
    is_many = strncmp(how, "many-", 5) == 0;
    sleeps = strstr(how, "sleep") != NULL;
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    alarm(60); /* the watchdog */
    do {
        steps = 0;
        stop_at++;
        atomic_store(&is_asleep, 0);
        atomic_store(&is_stopped, 0);
        atomic_store(&is_closed, 0);
        atomic_store(&has_returned, 0);
        if (zinc_region_create_anonymous(1, NULL, &region) < 0) return 1;
        if (!sleeps) zinc_notify(region);
        pthread_t thread;
        pthread_create(&thread, NULL, wait_for_it, NULL);
        while (sleeps && !atomic_load(&is_asleep)) usleep(10);
        if (sleeps) zinc_notify(region);
        while (!atomic_load(&is_stopped) && !atomic_load(&has_returned)) usleep(10);
        zinc_close(region);
        atomic_store(&is_closed, 1);
        pthread_join(thread, NULL);
    } while (atomic_load(&is_stopped));
    printf("%d\n", stop_at);
    return 0;
}
