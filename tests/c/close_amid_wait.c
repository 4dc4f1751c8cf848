/*
 * Stops a wait after each of its instructions, one after the other, while another thread closes
 * what it waits for: close_amid_wait CALL HOW. The close either waits for the wait to end, or the
 * wait touches nothing of the region any more; else it dies of SIGSEGV. Prints how many places
 * there were to stop at.
 *
 *     CALL  wait    zinc_wait
 *           region  zinc_region_wait
 *           after   the same with ZINC_WAIT_AFTER
 *           any     zinc_wait_any
 *           all     zinc_wait_all
 *     HOW   news    there is something new, so it does not sleep: all of the call
 *           woken   what it does when a notification has woken it
 *           ended   there is nothing new, and the close alone ends it: all of the call
 *           reused  as `news`, and the process goes on to create and close others, whose memory
 *                   may be what was the region's; one is there when the wait goes on
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
static const char *call, *how;
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

static int is(const char *one, const char *other) { return strcmp(one, other) == 0; }

/* libzinc.so finds this before libc's. */
static long intercept(long number, long a[6]) {
    int is_ours = gettid() != getpid() && !atomic_load(&is_asleep);
    if (is_ours) atomic_store(&is_asleep, 1);
    long result = system_call(number, a);
    int error = errno;
    if (is_ours && is(how, "woken")) step(1);
    errno = error;
    return result;
}

static int do_wait(void) {
    ZincWaitOptions options = {.size = sizeof options, .deadline_ns = ZINC_FOREVER, .flags = ZINC_WAIT_SLEEP};
    ZincWaitItem items[2] = {{.handle = region}, {.handle = region}};
    if (!is(how, "woken")) step(1);
    int result = -EINVAL;
    if (is(call, "wait")) result = zinc_wait(region, UINT32_MAX);
    if (is(call, "after")) options.flags |= ZINC_WAIT_AFTER;
    if (is(call, "after") || is(call, "region")) result = zinc_region_wait(region, &options);
    if (is(call, "any")) result = zinc_wait_any(items, 2, &options);
    if (is(call, "all")) result = zinc_wait_all(items, 2, &options);
    step(0);
    return result;
}

static void *wait_for_it(void *unused) {
    int result = do_wait();
    if (result != -ECANCELED && (result != 0 || is(how, "ended"))) _exit(1);
    atomic_store(&has_returned, 1);
    return unused;
}

static ZincHandle create(void) {
    ZincHandle handle;
    if (zinc_region_create_anonymous(1, NULL, &handle) < 0) _exit(1);
    return handle;
}

/* What a wait that comes late might take for its own. Nothing is said in it. */
static ZincHandle use_memory_again(void) {
    for (int i = 0; i < 4; i++) zinc_close(create());
    return create();
}

static int nobody_was_in(ZincHandle other) {
    const uint32_t *header = (const uint32_t *)(zinc_ptr(other) - sysconf(_SC_PAGESIZE));
    return header[3] == 0 && header[6] == 0; /* sequence and parked */
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    call = arguments[1];
    how = arguments[2];
    int has_news = is(how, "news") || is(how, "reused");
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
        region = create();
        if (has_news) zinc_notify(region);
        pthread_t thread;
        pthread_create(&thread, NULL, wait_for_it, NULL);
        if (is(how, "woken")) {
            while (!atomic_load(&is_asleep)) usleep(10);
            zinc_notify(region);
        }
        while (!atomic_load(&is_stopped) && !atomic_load(&has_returned) &&
               !(is(how, "ended") && atomic_load(&is_asleep)))
            usleep(10);
        zinc_close(region);
        ZincHandle other = is(how, "reused") ? use_memory_again() : NULL;
        atomic_store(&is_closed, 1);
        pthread_join(thread, NULL);
        if (other && !nobody_was_in(other)) return 3;
        zinc_close(other);
    } while (atomic_load(&is_stopped));
    printf("%d\n", stop_at);
    return 0;
}
