/*
 * Stops or kills who acquires and releases a lock in each place that differs for the others, and looks what
 * the others get meanwhile; what the lock guards is two words that have to agree. `lock_steps naps`
 * is about what a nap makes good; without it, to be run with no_naps.c preloaded, about what it need
 * not: who must hear of a release hangs if he does not. Prints how many there were.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <string.h>
#include <time.h>

#include "stepping.h"

static ZincHandle region;
static uintptr_t lock = ZINC_OWN_LOCK;

static volatile struct words {
    uint32_t record[4]; /* another lock */
    uint32_t a, b;      /* what it guards */
    uint64_t deadline;  /* of who gives up */
} *words;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int acquire(uint64_t deadline, uint32_t flags) {
    ZincWaitOptions options = {
        .size = sizeof options, .deadline_ns = deadline, .flags = flags | ZINC_WAIT_SLEEP};
    return zinc_lock_acquire(region, lock, &options);
}

static int try_recovering(void) { return acquire(0, ZINC_WAIT_RECOVER); }

static void release(void) {
    if (zinc_lock_release(region, lock) != 0) _exit(1);
}

/* ---- what a process does */

/* A first use, whoever has it. */
static void sit(void) {
    if (acquire(0, 0) == 0) release();
}

static void take(void) {
    if (zinc_lock_acquire(region, lock, NULL) != 0) _exit(1);
}

static void write_and_release(void) {
    if (words->a != words->b) _exit(2);
    words->a++;
    words->b++;
    release();
}

static void use(void) {
    take();
    write_and_release();
}

/* Asleep at once, and told of whoever dies. */
static void wait_and_use(void) {
    int result = acquire(ZINC_FOREVER, ZINC_WAIT_RECOVER);
    if (result < 0) _exit(1);
    if (result == ZINC_OWNER_DIED) words->b = words->a;
    write_and_release();
}

/* With a deadline, which is over when it is woken: it gets what is free even then. */
static void wait_too_long(void) {
    int result = acquire(words->deadline, ZINC_WAIT_RECOVER);
    if (result == 0)
        write_and_release();
    else if (result != -110)
        _exit(1);
}

static void die_with_it(void) {
    take();
    words->a++;
}

static void take_over_and_repair(void) {
    if (try_recovering() != ZINC_OWNER_DIED) _exit(1);
    words->b = words->a;
    if (zinc_lock_repaired(region, lock) != 0) _exit(1);
    write_and_release();
}

static void be_told(void) {
    if (acquire(0, 0) != -130) _exit(1);
}

static void leave_half_done(void) {
    words->a++;
    if (zinc_lock_abandon(region, lock) != 0) _exit(1);
}

/* ---- what must hold */

static uint32_t state(void) {
    ZincLockInfo info = {.size = sizeof info};
    check(zinc_lock_examine(region, lock, &info) == 0, "can't look");
    return info.state;
}

/* Somebody was killed: the next one gets the lock at once, and is told if it was taken along. */
static void expect_next_gets_it(void) {
    int is_abandoned = state() == ZINC_LOCK_ABANDONED;
    if (is_abandoned) {
        check(acquire(0, 0) == -130, "not told");
        check(acquire(0, 0) == -130, "told once, and not until it is repaired");
        check(state() == ZINC_LOCK_ABANDONED, "repaired by nobody");
    }
    check(try_recovering() == is_abandoned, "not held, or told without need");
    check(is_abandoned || words->a == words->b, "half done, and not told");
    words->b = words->a;
    release();
    check(try_recovering() == 0, "told after it was repaired");
    release();
}

/* ---- one trial each; false when there was nothing left to stop at */

static int user_is_killed(int steps) {
    pid_t user;
    int is_stopped = start_stopped(sit, use, steps, &user);
    if (is_stopped) kill_and_reap(user);
    expect_next_gets_it();
    return is_stopped;
}

static int user_is_stopped(int steps) {
    pid_t user;
    int is_stopped = start_stopped(sit, use, steps, &user);
    if (!is_stopped) return 0;
    ptrace(PTRACE_DETACH, user, NULL, SIGSTOP);
    check(waitpid(user, NULL, WUNTRACED) == user, "not stopped");
    int is_held = state() == ZINC_LOCK_HELD;
    /* Long enough to sleep, and to ask at the end of the sleep. */
    int result = acquire(now() + 1000000, ZINC_WAIT_RECOVER);
    check(result == (is_held ? -110 : 0), "taken from who is stopped");
    if (!is_held) write_and_release();
    kill(user, SIGCONT);
    expect_end(user);
    check(words->a == words->b, "two had it");
    return 1;
}

static int releaser_is_killed(int steps) {
    pid_t user, sleeper;
    start_stopped(take, write_and_release, 0, &user);
    sleeper = start_sleeper(wait_and_use);
    int is_stopped = go_steps(user, steps);
    if (is_stopped) kill_and_reap(user);
    expect_end(sleeper);
    expect_next_gets_it();
    return is_stopped;
}

/* Both were asleep, and who is killed was woken. */
static int woken_is_killed(int steps) {
    take();
    pid_t woken = start_stepped_sleeper(sit, wait_and_use);
    pid_t sleeper = start_sleeper(wait_and_use);
    release();
    waitpid(woken, NULL, 0); /* its last step, out of its sleep */
    int is_stopped = go_steps(woken, steps);
    if (is_stopped) kill_and_reap(woken);
    expect_end(sleeper);
    expect_next_gets_it();
    return is_stopped;
}

/* A holder died, and one that finds that out is killed as it does what it does then. */
static int is_said;

static int finder_is_killed(void (*act)(void), int steps) {
    pid_t finder;
    start_stopped(sit, act, 0, &finder);
    expect_end(start(die_with_it));
    int is_stopped = go_steps(finder, steps);
    is_said = words->record[0] == 1u << 30; /* died, and nobody's */
    if (is_stopped) kill_and_reap(finder);
    expect_next_gets_it();
    return is_stopped;
}

static int repairer_is_killed(int steps) { return finder_is_killed(take_over_and_repair, steps); }

static int abandoner_is_killed(int steps) {
    pid_t user;
    start_stopped(take, leave_half_done, 0, &user);
    pid_t sleeper = start_sleeper(wait_and_use);
    int is_stopped = go_steps(user, steps);
    if (is_stopped) kill_and_reap(user);
    expect_end(sleeper);
    expect_next_gets_it();
    return is_stopped;
}

/* Until it has said so: what it makes of that afterwards, a message, is long. */
static int told_is_killed(int steps) {
    lock = 0;
    int is_stopped = finder_is_killed(be_told, steps) && !is_said;
    lock = ZINC_OWN_LOCK;
    return is_stopped;
}

/* What a lock says of itself, from its holder's death to its release. */
static void tells_how_it_is(void) {
    expect_end(start(die_with_it));
    check(state() == ZINC_LOCK_ABANDONED, "its holder died");
    check(try_recovering() == ZINC_OWNER_DIED && state() == ZINC_LOCK_REPAIRING, "not repaired yet");
    words->b = words->a;
    check(zinc_lock_repaired(region, lock) == 0 && state() == ZINC_LOCK_HELD, "it is repaired");
    release();
    check(state() == ZINC_LOCK_FREE, "it is free");
}

/* All the seats there are, so somebody has that of the dead holder. */
static void seat_is_taken_anew(void) {
    ZincHandle handles[120], own = region;
    char name[32];
    snprintf(name, sizeof name, "lock-steps-%d", getpid());
    check(zinc_lock_open(name, NULL, &region) == 0, "can't open it");
    expect_end(start(die_with_it));
    for (int i = 0; i < 120; i++) {
        check(zinc_lock_open(name, NULL, &handles[i]) == 0, "can't open it again");
        check(zinc_lock_acquire(handles[i], 0, NULL) == 0, "can't sit"); /* of its data */
        check(zinc_lock_release(handles[i], 0) == 0, "not mine");
    }
    zinc_close(region);
    region = handles[0];
    check(try_recovering() == ZINC_OWNER_DIED, "taken for who has the seat now");
    release();
    words->b = words->a;
    for (int i = 0; i < 120; i++) zinc_close(handles[i]);
    region = own;
}

/* ---- the same without naps */

static int waiter_comes_amid_release(int steps) {
    pid_t user;
    int is_stopped = start_stopped(take, write_and_release, steps, &user);
    pid_t waiter = start(wait_and_use);
    while (!is_asleep(waiter) && !has_ended(waiter)) sched_yield();
    if (is_stopped) go_on(user);
    expect_end(waiter);
    return is_stopped;
}

static int end_amid_wait(int32_t (*end)(ZincHandle, uintptr_t), int steps) {
    pid_t waiter;
    take();
    int is_stopped = start_stopped(sit, wait_and_use, steps, &waiter);
    check(end(region, lock) == 0, "not mine");
    if (!is_stopped) waitpid(waiter, NULL, 0);
    go_on(waiter);
    return is_stopped;
}

static int release_amid_wait(int steps) { return end_amid_wait(zinc_lock_release, steps); }

static int abandon_amid_wait(int steps) { return end_amid_wait(zinc_lock_abandon, steps); }

static int waiter_is_killed(int steps) {
    pid_t waiter;
    take();
    pid_t sleeper = start_sleeper(wait_and_use);
    int is_stopped = start_stopped(sit, wait_and_use, steps, &waiter);
    kill_and_reap(waiter);
    release();
    expect_end(sleeper);
    return is_stopped;
}

/* Both were asleep. Who is woken finds its time over, and the lock taken by somebody who came by. */
static int woken_gives_up(int steps) {
    static uint64_t enough = 10000000; /* to fall asleep in time, step by step */
    pid_t woken;
    take();
    do {
        words->deadline = now() + enough;
        woken = start_stepped_sleeper(sit, wait_too_long);
    } while (!is_asleep(woken) && (enough *= 2));
    pid_t sleeper = start_sleeper(wait_and_use);
    while (now() <= words->deadline) sched_yield();
    release();
    waitpid(woken, NULL, 0);
    int is_stopped = go_steps(woken, steps);
    int is_taken = acquire(0, 0) == 0;
    if (is_stopped) go_on(woken);
    if (is_taken) release();
    expect_end(sleeper);
    return is_stopped;
}

static void try_all(const char *what, int (*trial)(int steps)) {
    int is_stopped = 1, steps = -1;
    alarm(100); /* the watchdog */
    while (is_stopped) {
        is_stopped = trial(++steps);
        check(words->a == words->b, "half done");
    }
    printf("%s %d\n", what, steps);
}

#define TRY(trial) try_all(#trial, trial)

int main(int count, char **arguments) {
    stay_on_one_processor();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (zinc_region_create_anonymous(sizeof *words, NULL, &region) < 0) return 1;
    words = (volatile struct words *)zinc_ptr(region);
    if (count == 2 && strcmp(arguments[1], "naps") == 0) {
        tells_how_it_is();
        seat_is_taken_anew();
        TRY(user_is_killed);
        TRY(user_is_stopped);
        TRY(releaser_is_killed);
        TRY(woken_is_killed);
        TRY(repairer_is_killed);
        TRY(abandoner_is_killed);
        TRY(told_is_killed);
    } else {
        TRY(waiter_comes_amid_release);
        TRY(release_amid_wait);
        TRY(abandon_amid_wait);
        TRY(waiter_is_killed);
        TRY(woken_gives_up);
    }
    zinc_close(region);
    return 0;
}
