/*
 * Processes that are stopped, or killed, in each place that differs for the others: before each
 * instruction that may touch shared memory or calls the system. What does not hold is printed, and
 * ends the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int holds, const char *what) {
    if (holds) return;
    printf("%s\n", what);
    exit(1);
}

/* Where a step is a mere switch, and before others where it may: or naps would be over meanwhile. */
static void stay_on_one_processor(void) {
    setpriority(PRIO_PROCESS, 0, -20);
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

static void read_of(pid_t pid, const char *what, char *text, size_t size) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, what);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
}

/* And not stopped at the end of such a call, nor kept from its beginning. */
static int is_asleep(pid_t pid) {
    char text[64];
    read_of(pid, "syscall", text, sizeof text);
    if (atoi(text) != SYS_futex && atoi(text) != 449 /* futex_waitv */) return 0;
    read_of(pid, "stat", text, sizeof text);
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[2] == 'S';
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
    check(waitpid(pid, &status, 0) == pid, "nobody to wait for");
    if (status != 0) printf("wait status %x: ", (unsigned)status);
    check(status == 0, "somebody did not get what he should");
}

static inline void kill_and_reap(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

#ifdef __x86_64__
/* A register, something on the stack, or of the program itself: nobody else's in any case. */
static int is_private(const uint8_t *operand, int extended) {
    int mode = operand[0] >> 6, base = operand[0] & 7;
    if (mode == 3 || (mode == 0 && base == 5)) return 1;
    return base == 4 && (operand[1] & 0x3f) == 0x24 && !extended; /* rsp, without an index */
}
#endif

/* Whether what it does next may differ for others; what is not known here may. */
static int is_place(pid_t pid) {
#ifdef __x86_64__
    long at = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), NULL);
    union {
        long word;
        uint8_t bytes[sizeof(long)];
    } code;
    errno = 0;
    code.word = ptrace(PTRACE_PEEKTEXT, pid, at, NULL);
    if (errno != 0) return 1;
    const uint8_t *next = code.bytes;
    int extended = 0;
    while (*next == 0x66 || *next == 0xf2 || *next == 0xf3) next++;
    if (*next >> 4 == 4) extended = *next++ & 3; /* bases and indexes are others */
    int op = *next++;
    if (op == 0x0f) {
        op = *next++;
        if (op >> 4 == 8) return 0;                 /* a jump */
        if (op == 0x1e || op == 0x1f) return 0;     /* nothing */
        int is_known = op >> 4 == 4 || op >> 4 == 9 /* moved or set on a condition */
                       || op == 0xaf || op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf;
        return !is_known || !is_private(next, extended);
    }
    if (op >> 4 == 5 || op >> 4 == 7 || op >> 4 == 0xb) return 0;       /* the stack, jumps, constants */
    if (op == 0xe8 || op == 0xe9 || op == 0xeb || op == 0xc3) return 0; /* jumps */
    if (op == 0x8d || op == 0x90) return 0;                             /* an address, nothing */
    if (op < 0x40 && (op & 7) > 3 && (op & 7) < 6) return 0;            /* a register and a constant */
    int is_known = (op < 0x40 && (op & 7) < 4) || op == 0x63 || op == 0x69 || op == 0x6b ||
                   (op >= 0x80 && op <= 0x8b) || op == 0xc0 || op == 0xc1 || op == 0xc6 || op == 0xc7 ||
                   (op >= 0xd0 && op <= 0xd3) || op == 0xf6 || op == 0xf7 || op == 0xff;
    return !is_known || !is_private(next, extended);
#else
    (void)pid;
    return 1;
#endif
}

/* One instruction further; 0 if it ended or fell asleep before. */
static int go_one(pid_t pid) {
    int status;
    pid_t stopped;
    ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
    for (int looks = 1; (stopped = waitpid(pid, &status, WNOHANG)) == 0; looks++) {
        sched_yield();
        if (looks > 3 && is_asleep(pid)) return 0; /* to look costs more than a step */
    }
    check(stopped == pid, "can't step");
    if (WIFEXITED(status)) check(WEXITSTATUS(status) == 0, "it could not do it");
    return !WIFEXITED(status);
}

enum { ALL = 1 << 16 };

/*
 * What came before each place of a first trial, which went through all of them step by step. With it the
 * others go to theirs by a breakpoint: else they would take the square of the time.
 */
static struct {
    int is_known, is_missed, count;
    long at[ALL];
} path;

static long next_of(pid_t pid) {
#ifdef __x86_64__
    return ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), NULL);
#else
    (void)pid;
    return 0;
#endif
}

/* Step by step; 0 if it ended or fell asleep before. */
static int step_to(pid_t pid, int place) {
    for (int i = 0; i < place; i++) {
        do
            if (!go_one(pid)) return 0;
        while (!is_place(pid));
        if (place == ALL) path.at[path.count++] = next_of(pid);
    }
    return 1;
}

#ifdef __x86_64__
/* To an instruction, as often as it comes up to the place; 0 if it ended before. */
static inline int run_to(pid_t pid, int place) {
    int status, times = 0;
    long at = path.at[place - 1], code = ptrace(PTRACE_PEEKTEXT, pid, at, NULL);
    for (int i = 0; i < place; i++) times += path.at[i] == at;
    times += next_of(pid) == at; /* where it begins is none of them */
    for (;;) {
        while (next_of(pid) == at) { /* also where it repeats itself */
            if (--times == 0) return 1;
            if (!go_one(pid)) return 0;
        }
        ptrace(PTRACE_POKETEXT, pid, at, (code & ~0xffL) | 0xcc);
        ptrace(PTRACE_CONT, pid, NULL, NULL);
        check(waitpid(pid, &status, 0) == pid, "can't go on");
        if (WIFEXITED(status)) check(WEXITSTATUS(status) == 0, "it could not do it");
        if (WIFEXITED(status)) return 0;
        check(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "not stopped by the breakpoint");
        ptrace(PTRACE_POKETEXT, pid, at, code);
        ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rip), at);
    }
}
#endif

/* Some places further; 0 if it ended or fell asleep before. */
static int go_steps(pid_t pid, int steps) {
#ifdef __x86_64__
    if (path.is_known && steps != 0) return !(path.is_missed = !run_to(pid, steps));
#endif
    return step_to(pid, steps);
}

/* Try each place, or some, of a trial in which nobody falls asleep. */
static inline void try_places(const char *what, int (*trial)(int steps), int stride) {
    int place = 0;
    alarm(100); /* the watchdog */
    path.is_known = path.count = 0;
    check(!trial(ALL), "too many places");
    for (; place <= path.count; place += stride) {
        path.is_known = 1;
        path.is_missed = 0;
        trial(place);
        path.is_known = 0;
        if (path.is_missed) trial(place); /* went another way than the first */
    }
    printf("%s %d\n", what, place);
}

/* Who has prepared itself, and is stopped so many places into what it does then. */
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
    check(waitpid(*pid, &status, 0) == *pid, "nobody to trace");
    if (!WIFSTOPPED(status)) printf("wait status %x: ", (unsigned)status);
    check(WIFSTOPPED(status), "can't trace");
    return go_steps(*pid, steps);
}

/* Who falls asleep; its next step is out of its sleep. */
static inline pid_t start_stepped_sleeper(void (*prepare)(void), void (*act)(void)) {
    pid_t pid;
    start_stopped(prepare, act, 0, &pid);
    while (go_one(pid)) {
    }
    return pid;
}

static inline void go_on(pid_t pid) {
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    expect_end(pid);
}
