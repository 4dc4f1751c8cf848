/*
 * Stops or kills a notifier and a waiter after each of their instructions, and lets somebody
 * else do all of his meanwhile. Whoever must hear of it hangs if he does not: to be run with
 * no_naps.c preloaded. Prints how many places there were to stop at.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include "stepping.h"

static ZincHandle region, other;
static uint32_t sequence; /* after which whoever starts waits */

static void prepare_nothing(void) {}

static void notify(void) { zinc_notify(region); }

static ZincWaitOptions for_ever(void) {
    return (ZincWaitOptions){.size = sizeof(ZincWaitOptions),
                             .deadline_ns = ZINC_FOREVER,
                             .flags = ZINC_WAIT_AFTER | ZINC_WAIT_SLEEP};
}

static void wait_after(void) {
    ZincWaitOptions options = for_ever();
    options.after = sequence;
    if (zinc_region_wait(region, &options) != 0) _exit(1);
}

/* Both regions have the same sequence at the start of each trial. */
static void wait_for_either(void) {
    ZincWaitOptions options = for_ever();
    ZincWaitItem items[] = {{region, sequence, 0}, {other, sequence, 0}};
    if (zinc_wait_any(items, 2, &options) != 0) _exit(1);
    if (!items[0].is_new && !items[1].is_new) _exit(1);
}

static void wait_for_both(void) {
    ZincWaitOptions options = for_ever();
    ZincWaitItem items[] = {{region, sequence, 0}, {other, sequence, 0}};
    if (zinc_wait_all(items, 2, &options) != 0) _exit(1);
    if (!items[0].is_new || !items[1].is_new) _exit(1);
}

static pid_t start_sleeping_waiter(void) {
    sequence = zinc_region_sequence(region);
    return start_sleeper(wait_after);
}

static int start_and_stop(void (*act)(void), int steps, pid_t *pid) {
    sequence = zinc_region_sequence(region);
    return start_stopped(prepare_nothing, act, steps, pid);
}

/* One trial each; false when there was nothing left to stop. */

static int notifier_is_killed(int steps) {
    pid_t notifier, sleeper = start_sleeping_waiter();
    int is_stopped = start_and_stop(notify, steps, &notifier);
    if (is_stopped) kill_and_reap(notifier);
    zinc_notify(region);
    expect_end(sleeper);
    return is_stopped;
}

static int waiter_is_killed(int steps) {
    pid_t waiter, sleeper = start_sleeping_waiter();
    int is_stopped = start_and_stop(wait_after, steps, &waiter);
    kill_and_reap(waiter);
    zinc_notify(region);
    expect_end(sleeper);
    return is_stopped;
}

static int waiter_sleeps_amid_notify(int steps) {
    pid_t notifier;
    int is_stopped = start_and_stop(notify, steps, &notifier);
    pid_t waiter = start(wait_after);
    while (!is_asleep(waiter) && !has_ended(waiter)) sched_yield();
    if (is_stopped) go_on(notifier);
    expect_end(waiter);
    return is_stopped;
}

static int notify_amid(void (*act)(void), int steps) {
    pid_t waiter;
    int is_stopped = start_and_stop(act, steps, &waiter);
    zinc_notify(region);
    if (!is_stopped) waitpid(waiter, NULL, 0); /* its last step, out of its sleep */
    go_on(waiter);
    return is_stopped;
}

static int notify_amid_wait(int steps) { return notify_amid(wait_after, steps); }

static int notify_amid_wait_for_either(int steps) {
    int is_stopped = notify_amid(wait_for_either, steps);
    zinc_notify(other);
    return is_stopped;
}

/* One has news before, the other meanwhile. */
static int notify_amid_wait_for_both(int steps) {
    zinc_notify(other);
    uint32_t before = zinc_region_sequence(region);
    int is_stopped = notify_amid(wait_for_both, steps);
    check(zinc_region_sequence(region) == before + 1, "the two have lost each other");
    return is_stopped;
}

/* Both get news while it is stopped. */
static int notify_both_amid_wait(int steps) {
    pid_t waiter;
    int is_stopped = start_and_stop(wait_for_both, steps, &waiter);
    zinc_notify(region);
    zinc_notify(other);
    if (!is_stopped) waitpid(waiter, NULL, 0);
    go_on(waiter);
    return is_stopped;
}

static int waiter_for_many_sleeps_amid_notify(int steps) {
    pid_t notifier;
    int is_stopped = start_and_stop(notify, steps, &notifier);
    pid_t waiter = start(wait_for_either);
    while (!is_asleep(waiter) && !has_ended(waiter)) sched_yield();
    if (is_stopped) go_on(notifier);
    expect_end(waiter);
    zinc_notify(other);
    return is_stopped;
}

static int waiter_for_many_is_killed(int steps) {
    pid_t waiter, sleeper = start_sleeping_waiter();
    int is_stopped = start_and_stop(wait_for_either, steps, &waiter);
    kill_and_reap(waiter);
    zinc_notify(region);
    zinc_notify(other);
    expect_end(sleeper);
    return is_stopped;
}

/* Somebody who heard of it sleeps again before the notifier is done, and hears the next. */
static int sleeper_amid_notify(int steps) {
    pid_t notifier, sleeper = start_sleeping_waiter();
    int is_stopped = start_and_stop(notify, steps, &notifier);
    pid_t next = start_sleeping_waiter();
    if (is_stopped) go_on(notifier);
    expect_end(sleeper);
    zinc_notify(region);
    expect_end(next);
    return is_stopped;
}

static void try_all(const char *what, int (*trial)(int steps)) {
    int is_stopped = 1, steps = -1;
    alarm(100); /* the watchdog */
    while (is_stopped) {
        /* Until every ticket is known to be answered: else all wake, needed or not. */
        for (int i = 0; i < 3; i++) zinc_notify(region);
        while (zinc_region_sequence(other) != zinc_region_sequence(region)) zinc_notify(other);
        is_stopped = trial(++steps);
    }
    printf("%s %d\n", what, steps);
}

int main(int argc, char **argv) {
    (void)argv;
    stay_on_one_processor();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (zinc_region_create_anonymous(1, NULL, &region) < 0) return 1;
    if (zinc_region_create_anonymous(1, NULL, &other) < 0) return 1;
    try_all("notifier_is_killed", notifier_is_killed);
    try_all("waiter_is_killed", waiter_is_killed);
    try_all("waiter_sleeps_amid_notify", waiter_sleeps_amid_notify);
    try_all("notify_amid_wait", notify_amid_wait);
    try_all("sleeper_amid_notify", sleeper_amid_notify);
    if (argc > 1) return 0; /* for one alone: where a wait for many naps there is no last place */
    try_all("notify_amid_wait_for_either", notify_amid_wait_for_either);
    try_all("notify_amid_wait_for_both", notify_amid_wait_for_both);
    try_all("notify_both_amid_wait", notify_both_amid_wait);
    try_all("waiter_for_many_sleeps_amid_notify", waiter_for_many_sleeps_amid_notify);
    try_all("waiter_for_many_is_killed", waiter_for_many_is_killed);
    zinc_close(region);
    zinc_close(other);
    return 0;
}
