/*
 * Stops or kills a notifier and a waiter after each of their instructions, and lets somebody
 * else do all of his meanwhile. Whoever must hear of it hangs if he does not: to be run with
 * no_naps.c preloaded. Prints how many places there were to stop at.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static ZincHandle region, other;

static void notify(uint32_t unused) {
    (void)unused;
    zinc_notify(region);
}

static ZincWaitOptions for_ever(void) {
    return (ZincWaitOptions){.size = sizeof(ZincWaitOptions),
                             .deadline_ns = ZINC_FOREVER,
                             .flags = ZINC_WAIT_AFTER | ZINC_WAIT_SLEEP};
}

static void wait_after(uint32_t sequence) {
    ZincWaitOptions options = for_ever();
    options.after = sequence;
    if (zinc_region_wait(region, &options) != 0) _exit(1);
}

/* Both regions have the same sequence at the start of each trial. */
static void wait_for_either(uint32_t sequence) {
    ZincWaitOptions options = for_ever();
    ZincWaitItem items[] = {{region, sequence, 0}, {other, sequence, 0}};
    if (zinc_wait_any(items, 2, &options) != 0) _exit(1);
    if (!items[0].is_new && !items[1].is_new) _exit(1);
}

static void wait_for_both(uint32_t sequence) {
    ZincWaitOptions options = for_ever();
    ZincWaitItem items[] = {{region, sequence, 0}, {other, sequence, 0}};
    if (zinc_wait_all(items, 2, &options) != 0) _exit(1);
    if (!items[0].is_new || !items[1].is_new) _exit(1);
}

static void check(int holds, const char *what) {
    if (holds) return;
    printf("%s\n", what);
    exit(1);
}

/* A process that does it, and ends with 0. */
static pid_t start(void (*act)(uint32_t), uint32_t sequence) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    act(sequence);
    _exit(0);
}

static int is_asleep(pid_t pid) {
    char path[32], text[8] = "";
    snprintf(path, sizeof path, "/proc/%d/syscall", pid);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 && (atoi(text) == SYS_futex || atoi(text) == 449); /* futex_waitv */
}

static int has_ended(pid_t pid) {
    siginfo_t info = {0};
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid == pid;
}

static pid_t start_sleeper(void) {
    pid_t pid = start(wait_after, zinc_region_sequence(region));
    while (!is_asleep(pid)) sched_yield();
    return pid;
}

static void expect_end(pid_t pid) {
    int status;
    check(waitpid(pid, &status, 0) == pid && status == 0, "a waiter failed");
}

/* As `start`, stopped after so many instructions; 0 if it ended or fell asleep before. */
static int start_stopped(void (*act)(uint32_t), int steps, pid_t *pid) {
    uint32_t sequence = zinc_region_sequence(region);
    int status;
    *pid = fork();
    if (*pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        act(sequence);
        _exit(0);
    }
    check(waitpid(*pid, &status, 0) == *pid && WIFSTOPPED(status), "can't trace");
    for (int i = 0; i < steps; i++) {
        ptrace(PTRACE_SINGLESTEP, *pid, NULL, NULL);
        pid_t stopped;
        while ((stopped = waitpid(*pid, &status, WNOHANG)) == 0)
            if (is_asleep(*pid)) return 0;
        check(stopped == *pid, "can't step");
        if (WIFEXITED(status)) return 0;
    }
    return 1;
}

static void kill_and_reap(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void go_on(pid_t pid) {
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    expect_end(pid);
}

/* One trial each; false when there was nothing left to stop. */

static int notifier_is_killed(int steps) {
    pid_t notifier, sleeper = start_sleeper();
    int is_stopped = start_stopped(notify, steps, &notifier);
    if (is_stopped) kill_and_reap(notifier);
    zinc_notify(region);
    expect_end(sleeper);
    return is_stopped;
}

static int waiter_is_killed(int steps) {
    pid_t waiter, sleeper = start_sleeper();
    int is_stopped = start_stopped(wait_after, steps, &waiter);
    kill_and_reap(waiter);
    zinc_notify(region);
    expect_end(sleeper);
    return is_stopped;
}

static int waiter_sleeps_amid_notify(int steps) {
    pid_t notifier;
    uint32_t sequence = zinc_region_sequence(region);
    int is_stopped = start_stopped(notify, steps, &notifier);
    pid_t waiter = start(wait_after, sequence);
    while (!is_asleep(waiter) && !has_ended(waiter)) sched_yield();
    if (is_stopped) go_on(notifier);
    expect_end(waiter);
    return is_stopped;
}

static int notify_amid(void (*act)(uint32_t), int steps) {
    pid_t waiter;
    int is_stopped = start_stopped(act, steps, &waiter);
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
    int is_stopped = start_stopped(wait_for_both, steps, &waiter);
    zinc_notify(region);
    zinc_notify(other);
    if (!is_stopped) waitpid(waiter, NULL, 0);
    go_on(waiter);
    return is_stopped;
}

static int waiter_for_many_sleeps_amid_notify(int steps) {
    pid_t notifier;
    uint32_t sequence = zinc_region_sequence(region);
    int is_stopped = start_stopped(notify, steps, &notifier);
    pid_t waiter = start(wait_for_either, sequence);
    while (!is_asleep(waiter) && !has_ended(waiter)) sched_yield();
    if (is_stopped) go_on(notifier);
    expect_end(waiter);
    zinc_notify(other);
    return is_stopped;
}

static int waiter_for_many_is_killed(int steps) {
    pid_t waiter, sleeper = start_sleeper();
    int is_stopped = start_stopped(wait_for_either, steps, &waiter);
    kill_and_reap(waiter);
    zinc_notify(region);
    zinc_notify(other);
    expect_end(sleeper);
    return is_stopped;
}

/* Somebody who heard of it sleeps again before the notifier is done, and hears the next. */
static int sleeper_amid_notify(int steps) {
    pid_t notifier, sleeper = start_sleeper();
    int is_stopped = start_stopped(notify, steps, &notifier);
    pid_t next = start_sleeper();
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

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (zinc_region_create_anonymous(1, NULL, &region) < 0) return 1;
    if (zinc_region_create_anonymous(1, NULL, &other) < 0) return 1;
    try_all("notifier_is_killed", notifier_is_killed);
    try_all("waiter_is_killed", waiter_is_killed);
    try_all("waiter_sleeps_amid_notify", waiter_sleeps_amid_notify);
    try_all("notify_amid_wait", notify_amid_wait);
    try_all("sleeper_amid_notify", sleeper_amid_notify);
    try_all("notify_amid_wait_for_either", notify_amid_wait_for_either);
    try_all("notify_amid_wait_for_both", notify_amid_wait_for_both);
    try_all("notify_both_amid_wait", notify_both_amid_wait);
    try_all("waiter_for_many_sleeps_amid_notify", waiter_for_many_sleeps_amid_notify);
    try_all("waiter_for_many_is_killed", waiter_for_many_is_killed);
    zinc_close(region);
    zinc_close(other);
    return 0;
}
