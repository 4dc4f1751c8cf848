/*
 * Processes that are stopped, or killed, after so many of their instructions. What does not hold is
 * printed, and ends the program.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int holds, const char *what) {
    if (holds) return;
    printf("%s\n", what);
    exit(1);
}

/* Where a step is a mere switch. */
static void stay_on_one_processor(void) {
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(sched_getcpu(), &here);
    sched_setaffinity(0, sizeof here, &here);
}

static inline pid_t start(void (*act)(void)) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* where a check fails */
    act();
    _exit(0);
}

#define MANY 1000000 /* steps: until it sleeps */

static int is_asleep(pid_t pid) {
    char path[32], text[8] = "";
    snprintf(path, sizeof path, "/proc/%d/syscall", pid);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 && atoi(text) == SYS_futex;
}

static inline pid_t start_sleeper(void (*act)(void)) {
    pid_t pid = start(act);
    while (!is_asleep(pid)) sched_yield();
    return pid;
}

static inline int has_ended(pid_t pid) {
    siginfo_t info = {0};
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid == pid;
}

static void expect_end(pid_t pid) {
    int status;
    check(waitpid(pid, &status, 0) == pid && status == 0, "somebody did not get what he should");
}

static inline void kill_and_reap(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* Some instructions further; 0 if it ended or fell asleep before. */
static int go_steps(pid_t pid, int steps) {
    for (int i = 0; i < steps; i++) {
        int status;
        pid_t stopped;
        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        for (int looks = 1; (stopped = waitpid(pid, &status, WNOHANG)) == 0; looks++) {
            if (looks % 64 == 0 && is_asleep(pid)) return 0; /* which costs more than a step */
            sched_yield();
        }
        check(stopped == pid, "can't step");
        if (WIFEXITED(status)) {
            check(WEXITSTATUS(status) == 0, "it could not do it");
            return 0;
        }
    }
    return 1;
}

/* Who has prepared itself, and is stopped so many instructions into what it does then. */
static int start_stopped(void (*prepare)(void), void (*act)(void), int steps, pid_t *pid) {
    int status;
    *pid = fork();
    if (*pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prepare();
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        act();
        _exit(0);
    }
    check(waitpid(*pid, &status, 0) == *pid && WIFSTOPPED(status), "can't trace");
    return go_steps(*pid, steps);
}

static inline void go_on(pid_t pid) {
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    expect_end(pid);
}
