/*
 * Several processes use one lock, some fork as they hold it, while a killer shoots at them and
 * stops one now and then.
 *
 *     lock_storm SECONDS [SEED]
 *
 * What must hold: nobody is inside with another; whoever is not told that a holder died finds two
 * words equal; and somebody always gets it. Prints what was done, what was broken, and the
 * longest silence after a kill; ends with 1 if anything was.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 5
#define HANG 20000000000u /* ns without anybody: a watchdog */

/* Atomic only where they may be written outside of the lock. */
static struct board {
    volatile uint64_t a, b;
    volatile pid_t inside;
    volatile uint64_t told, repaired, abandoned;
    _Atomic uint64_t uses, late, forks, together, untold, failed;
} *board;

static char name[32];
static uint64_t state;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* xorshift64 */
static uint64_t any(uint64_t end) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % end;
}

static void rest(uint64_t ns) {
    struct timespec time = {0, (long)ns};
    nanosleep(&time, NULL);
}

static int acquire(ZincHandle lock) {
    static const uint64_t times[] = {ZINC_FOREVER, 30000000, 1000000, 0};
    uint64_t time = times[any(4)];
    ZincWaitOptions wait = {.size = sizeof wait,
                            .deadline_ns = time && time != ZINC_FOREVER ? now() + time : time,
                            .flags = any(2) ? ZINC_WAIT_RECOVER : 0};
    int result = zinc_lock_acquire(lock, ZINC_OWN_LOCK, any(2) ? &wait : NULL);
    if (result >= 0) return result;
    board->late += result == -ETIMEDOUT;
    if (result != -EOWNERDEAD) return result;
    wait.deadline_ns = ZINC_FOREVER;
    wait.flags = ZINC_WAIT_RECOVER;
    return zinc_lock_acquire(lock, ZINC_OWN_LOCK, &wait);
}

/* Is it as good as new, and still held? */
static int repair(ZincHandle lock) {
    board->told++;
    board->inside = 0;
    if (any(8) == 0) {
        board->b = board->a + 1; /* a repair that fails */
        board->abandoned++;
        board->failed += zinc_lock_abandon(lock, ZINC_OWN_LOCK) != 0;
        return 0;
    }
    board->b = board->a;
    board->repaired++;
    /* Else the release says so. */
    if (any(2)) board->failed += zinc_lock_repaired(lock, ZINC_OWN_LOCK) != 0;
    return 1;
}

static void use(ZincHandle lock, int may_fork) {
    int result = acquire(lock);
    if (result == -ETIMEDOUT) return;
    board->failed += result < 0;
    if (result == ZINC_OWNER_DIED && !repair(lock)) return;
    board->untold += board->a != board->b;
    board->together += board->inside != 0;
    board->inside = getpid();
    board->a++;
    if (may_fork && any(2000) == 0) {
        board->forks++;
        if (fork() == 0) { /* outlives its parent, or not */
            if (any(2)) rest(any(5000000));
            use(lock, 0);
            _exit(0);
        }
    }
    for (volatile uint64_t i = any(60); i > 0; i--) {
    }
    board->together += board->inside != getpid();
    board->b++;
    board->inside = 0;
    board->uses++;
    board->failed += zinc_lock_release(lock, ZINC_OWN_LOCK) != 0;
}

static pid_t start(uint64_t seed) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    ZincHandle lock;
    state = seed | 1;
    signal(SIGCHLD, SIG_IGN); /* its children end unseen */
    if (zinc_lock_open(name, NULL, &lock) != 0) {
        board->failed++;
        _exit(1);
    }
    while (1) use(lock, 1);
}

/* Until somebody has used it: so many nanoseconds. */
static uint64_t silence(void) {
    uint64_t before = board->uses, since = now(), time = 0;
    while (board->uses == before && (time = now() - since) < HANG) rest(20000);
    return time;
}

int main(int count, char **arguments) {
    if (count < 2) return 2;
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 10) : now(), kills = 0, stops = 0;
    uint64_t longest = 0, end = now() + (uint64_t)(atof(arguments[1]) * 1e9);
    pid_t pids[WORKERS];
    ZincHandle region, lock;
    state = seed | 1;
    snprintf(name, sizeof name, "lock-storm-%d", getpid());
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans come here */
    if (zinc_region_create_anonymous(sizeof *board, NULL, &region) != 0) return 2;
    board = (struct board *)zinc_ptr(region);
    if (zinc_lock_open(name, NULL, &lock) != 0) return 2;
    for (int i = 0; i < WORKERS; i++) pids[i] = start(any(UINT64_MAX));
    while (now() < end && longest < HANG && !board->together && !board->untold && !board->failed) {
        int i = (int)any(WORKERS);
        rest(any(5000000));
        if (any(16) == 0) { /* for longer than a nap */
            kill(pids[i], SIGSTOP);
            rest(30000000);
            kill(pids[i], SIGCONT);
            stops++;
            continue;
        }
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        uint64_t time = silence();
        if (time > longest) longest = time;
        kills++;
        pids[i] = start(any(UINT64_MAX));
    }
    for (int i = 0; i < WORKERS; i++) kill(pids[i], SIGKILL);
    alarm(60); /* the watchdog of their children */
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
    }
    /* As long as nobody has recovered it, its name stays. */
    ZincWaitOptions wait = {sizeof wait, ZINC_FOREVER, ZINC_WAIT_RECOVER, 0};
    board->failed += zinc_lock_acquire(lock, ZINC_OWN_LOCK, &wait) < 0;
    board->failed += zinc_lock_release(lock, ZINC_OWN_LOCK) != 0;
    zinc_close(lock);
    uint64_t broken = board->together + board->untold + board->failed + (longest >= HANG);
    printf(
        "%llu uses, %llu kills, %llu stops, %llu forks, told %llu times, %llu repairs, %llu of them failed, "
        "%llu came too late, seed %llu: %llu together, %llu not told, %llu errors; longest "
        "silence after a kill %.1f ms (50 at most on an idle machine)\n",
        (unsigned long long)board->uses, (unsigned long long)kills, (unsigned long long)stops,
        (unsigned long long)board->forks, (unsigned long long)board->told,
        (unsigned long long)board->repaired, (unsigned long long)board->abandoned,
        (unsigned long long)board->late, (unsigned long long)seed, (unsigned long long)board->together,
        (unsigned long long)board->untold, (unsigned long long)board->failed, (double)longest / 1e6);
    zinc_close(region);
    return broken != 0;
}
