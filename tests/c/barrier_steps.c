/*
 * Stops who comes to a barrier for two after each of its instructions, and lets the other come and
 * go on as far as it can: both pass, whatever happened in between. Or resets it meanwhile: who is seen
 * to be there is told. Prints how many instructions there were, and after how many one is there.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define AFTER_IT 512 /* bytes of the data, of which the barrier takes the first */

static ZincHandle region;
static volatile int *has_come;

static void check(int holds, const char *what) {
    if (holds) return;
    printf("%s: %s\n", what, zinc_error_message());
    exit(1);
}

static int pass(int32_t place, uint32_t phase) {
    return place == 1 ? zinc_barrier_release(region, 0, phase) : zinc_barrier_wait(region, 0, phase, NULL);
}

static void come(void) {
    uint32_t phase;
    if (zinc_lock_acquire(region, ZINC_OWN_LOCK, NULL) < 0 || zinc_lock_release(region, ZINC_OWN_LOCK) < 0)
        _exit(1); /* It sits. */
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    int32_t place = zinc_barrier_arrive(region, 0, &phase, NULL);
    *has_come = 1;
    int status = place < 0 ? place : pass(place, phase);
    zinc_close(region); /* It has not died. */
    _exit(status == 0 ? 0 : status == -EPIPE ? 3 : 2);
}

/* Who comes, stopped after so many instructions, or after it has come. */
static pid_t stopped_after(int steps) {
    *has_come = 0;
    pid_t pid = fork();
    if (pid == 0) come();
    int status;
    waitpid(pid, &status, 0);
    check(WIFSTOPPED(status), "it does not sit");
    for (int i = 0; i < steps && !*has_come; i++) {
        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        waitpid(pid, &status, 0);
        check(WIFSTOPPED(status), "it ended early");
    }
    return pid;
}

static uint32_t waiting(void) {
    ZincBarrierInfo info = {.size = sizeof info};
    check(zinc_barrier_examine(region, 0, &info) == 0, "can't examine");
    return info.waiting;
}

/* Who is there is told of a reset. */
static void reset_after(int steps) {
    pid_t pid = stopped_after(steps);
    check(waiting() == 1, "it is there no more");
    check(zinc_barrier_reset(region, 0) == 0, "can't reset");
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    int status;
    waitpid(pid, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 3, "it is not told of a reset");
}

static int steps, there; /* that it has made, and after which others see it */

/* Did it not come before so many instructions? */
static int try_after(void) {
    pid_t pid = stopped_after(steps);
    if (waiting() == 0) there = steps + 1;
    int is_amid = !*has_come;
    uint32_t phase;
    int status;
    int32_t place = zinc_barrier_arrive(region, 0, &phase, NULL);
    check(place >= 0, "the other can't come");
    if (place == 1) check(pass(place, phase) == 0, "the other, who came last, does not pass");
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    if (place == 0) check(pass(place, phase) == 0, "the other, who came first, does not pass");
    check(waitpid(pid, &status, 0) == pid && status == 0, "it does not pass");
    return is_amid;
}

int main(void) {
    if (zinc_region_create_anonymous(AFTER_IT + sizeof *has_come, NULL, &region) < 0) return 1;
    has_come = (volatile int *)(void *)(zinc_ptr(region) + AFTER_IT);
    check(zinc_primitive_init(region, 0, ZINC_BARRIER, 2) == 0, "it can't be made");
    alarm(120); /* the watchdog */
    while (try_after()) steps++;
    for (int after = there; after < steps; after++) reset_after(after);
    printf("%d %d\n", steps, there);
    zinc_close(region);
    return 0;
}
