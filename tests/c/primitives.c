/*
 * Locks and their family from C, with forked processes that are killed: primitives NAME. Prints what
 * does not hold and exits with 1. The watchdog is the caller's.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"

static char name[200];

static const ZincWaitOptions recover = {
    .size = sizeof recover, .deadline_ns = ZINC_FOREVER, .flags = ZINC_WAIT_RECOVER};
static const ZincWaitOptions try_recover = {.size = sizeof try_recover, .flags = ZINC_WAIT_RECOVER};

static ZincHandle open_one(uint32_t kind, uint32_t count) {
    ZincHandle handle;
    EXPECT(zinc_primitive_open(name, kind, count, NULL, &handle) == 0);
    return handle;
}

/* A child that says when it is ready and then stays, to be killed or to be told to go on. */
typedef struct {
    pid_t pid;
    int ready, go;
} Child;

static int child_ready, child_go;

static void say_ready(void) {
    if (write(child_ready, "r", 1) != 1) _exit(3);
}

static void await_go(void) {
    char byte;
    if (read(child_go, &byte, 1) < 0) _exit(3);
}

static Child start(void (*body)(ZincHandle), ZincHandle handle) {
    int ready[2], go[2];
    if (pipe(ready) || pipe(go)) exit(2);
    Child child = {.pid = fork(), .ready = ready[0], .go = go[1]};
    if (child.pid == 0) {
        close(go[1]);
        child_ready = ready[1];
        child_go = go[0];
        body(handle);
        _exit(failures != 0);
    }
    close(ready[1]);
    close(go[0]);
    return child;
}

static void await_ready(Child child) {
    char byte;
    EXPECT(read(child.ready, &byte, 1) == 1);
}

static int end(Child child, int kills) {
    if (kills)
        kill(child.pid, SIGKILL);
    else if (write(child.go, "g", 1) < 0)
        (void)0; /* it has ended by itself */
    int status = -1;
    waitpid(child.pid, &status, 0);
    close(child.go);
    close(child.ready);
    return kills ? 0 : status;
}

/* ---- the lock ---- */

static void hold(ZincHandle handle) {
    EXPECT(zinc_lock_acquire(handle, ZINC_OWN_LOCK, NULL) == 0);
    say_ready();
    await_go();
    EXPECT(zinc_lock_release(handle, ZINC_OWN_LOCK) == 0);
}

static void recover_and_stay(ZincHandle handle) {
    EXPECT(zinc_lock_acquire(handle, ZINC_OWN_LOCK, &recover) == ZINC_OWNER_DIED);
    say_ready();
    await_go();
}

static uint32_t state_of(ZincHandle handle) {
    ZincLockInfo info = {.size = sizeof info};
    EXPECT(zinc_lock_examine(handle, ZINC_OWN_LOCK, &info) == 0);
    return info.state;
}

static void lock(void) {
    ZincHandle one = open_one(ZINC_LOCK, 0), two = open_one(ZINC_LOCK, 0);
    EXPECT(zinc_region_kind(one) == ZINC_LOCK);
    EXPECT(state_of(one) == ZINC_LOCK_FREE);
    EXPECT(zinc_lock_acquire(one, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_lock_acquire(two, ZINC_OWN_LOCK, &look) == -ETIMEDOUT);
    EXPECT(zinc_lock_acquire(one, ZINC_OWN_LOCK, &look) == -ETIMEDOUT);
    EXPECT(zinc_lock_release(two, ZINC_OWN_LOCK) == -EPERM);
    ZincLockInfo info = {.size = sizeof info};
    EXPECT(zinc_lock_examine(one, ZINC_OWN_LOCK, &info) == 0);
    EXPECT(info.state == ZINC_LOCK_HELD && info.pid == getpid() && info.is_mine == 1);
    EXPECT(info.since / 1000000000u + 2 >= (uint64_t)time(NULL));
    EXPECT(zinc_lock_examine_name(name, &info) == 0);
    EXPECT(info.state == ZINC_LOCK_HELD && info.pid == getpid() && info.is_mine == 0);
    EXPECT(zinc_lock_try(one, ZINC_OWN_LOCK) == -EAGAIN);
    EXPECT(zinc_lock_release(one, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_lock_release(one, ZINC_OWN_LOCK) == -EPERM);
    EXPECT(zinc_lock_try(one, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_lock_release(one, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_lock_try(one, 1) == -EAGAIN && zinc_lock_try(NULL, 0) == -EINVAL);

    /* A living holder delays, a stopped one too. */
    Child child = start(hold, one);
    await_ready(child);
    kill(child.pid, SIGSTOP);
    ZincWaitOptions soon = in(100);
    EXPECT(zinc_lock_acquire(one, ZINC_OWN_LOCK, &soon) == -ETIMEDOUT);
    kill(child.pid, SIGCONT);
    EXPECT(end(child, 0) == 0);
    EXPECT(zinc_lock_acquire(one, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_lock_release(one, ZINC_OWN_LOCK) == 0);

    /* A dead one is told of until somebody has repaired. */
    child = start(hold, one);
    await_ready(child);
    end(child, 1);
    EXPECT(state_of(one) == ZINC_LOCK_ABANDONED);
    for (int i = 0; i < 2; i++) {
        EXPECT(zinc_lock_acquire(one, ZINC_OWN_LOCK, NULL) == -EOWNERDEAD);
        EXPECT(zinc_lock_acquire(two, ZINC_OWN_LOCK, &look) == -EOWNERDEAD);
    }
    EXPECT(zinc_lock_examine(two, ZINC_OWN_LOCK, &info) == 0);
    EXPECT(info.state == ZINC_LOCK_ABANDONED && info.pid == child.pid);
    child = start(recover_and_stay, one);
    await_ready(child);
    EXPECT(state_of(two) == ZINC_LOCK_REPAIRING);
    EXPECT(zinc_lock_acquire(two, ZINC_OWN_LOCK, &look) == -ETIMEDOUT);
    end(child, 1); /* as it repairs */
    EXPECT(zinc_lock_acquire(two, ZINC_OWN_LOCK, &look) == -EOWNERDEAD);
    EXPECT(zinc_lock_acquire(two, ZINC_OWN_LOCK, &recover) == ZINC_OWNER_DIED);
    EXPECT(zinc_lock_abandon(two, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_lock_acquire(one, ZINC_OWN_LOCK, NULL) == -EOWNERDEAD);
    EXPECT(zinc_lock_acquire(one, ZINC_OWN_LOCK, &try_recover) == ZINC_OWNER_DIED);
    EXPECT(zinc_lock_repaired(one, ZINC_OWN_LOCK) == 0);
    EXPECT(state_of(two) == ZINC_LOCK_HELD);
    EXPECT(zinc_lock_release(one, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_lock_acquire(two, ZINC_OWN_LOCK, &look) == 0);

    /* Who closes its handle with the lock is as good as dead. */
    zinc_close(two);
    EXPECT(zinc_lock_acquire(one, ZINC_OWN_LOCK, NULL) == -EOWNERDEAD);

    /* The last user ends with it: who comes later is told. */
    zinc_close(one);
    one = open_one(ZINC_LOCK, 0);
    EXPECT(zinc_region_is_created(one) == 0);
    EXPECT(zinc_lock_acquire(one, ZINC_OWN_LOCK, &recover) == ZINC_OWNER_DIED);
    EXPECT(zinc_lock_release(one, ZINC_OWN_LOCK) == 0);
    zinc_close(one);
    EXPECT(zinc_open(name, &one) == -ENOENT);
}

static void inside_a_region(void) {
    ZincHandle handle, reader;
    EXPECT(zinc_region_create(name, 64, NULL, &handle) == 0);
    EXPECT(zinc_lock_acquire(handle, 16, NULL) == 0);
    EXPECT(zinc_lock_acquire(handle, 32, NULL) == 0);
    EXPECT(zinc_lock_acquire(handle, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_lock_release(handle, 32) == 0);
    EXPECT(zinc_lock_acquire(handle, 4, NULL) == -EINVAL);
    EXPECT(zinc_lock_acquire(handle, 56, NULL) == -EINVAL);
    EXPECT(zinc_lock_acquire(handle, 1u << 31, NULL) == -EINVAL);
    EXPECT(zinc_lock_acquire(handle, UINTPTR_MAX - 7, NULL) == -EINVAL);
    EXPECT(zinc_lock_acquire(NULL, 0, NULL) == -EINVAL);
    ZincOptions options = {.size = sizeof options, .flags = ZINC_READONLY};
    EXPECT(zinc_region_open(name, &options, &reader) == 0);
    EXPECT(zinc_lock_acquire(reader, 16, &look) == -EPERM);
    zinc_close(reader);

    /* What somebody has scribbled on is an error, and no hang. */
    const uint32_t scribbles[] = {0x3FFFFFFF, 0x3FF, 121, 1u << 10 | 100, 7u << 10 | 1, 1u << 30 | 121};
    for (size_t i = 0; i < sizeof scribbles / sizeof *scribbles; i++) {
        memcpy(zinc_ptr(handle), &scribbles[i], 4);
        int32_t status = zinc_lock_acquire(handle, 0, NULL);
        EXPECT(status == -EBADMSG || status == -EOWNERDEAD);
        EXPECT(zinc_lock_release(handle, 0) == -EPERM);
        ZincLockInfo info = {.size = sizeof info};
        EXPECT(zinc_lock_examine(handle, 0, &info) == 0);
        EXPECT(info.state >= ZINC_LOCK_ABANDONED);
    }
    zinc_close(handle);

    EXPECT(zinc_region_create_anonymous(64, NULL, &handle) == 0);
    EXPECT(zinc_lock_acquire(handle, 0, NULL) == 0);
    EXPECT(zinc_lock_release(handle, 0) == 0);
    zinc_close(handle);
    options = (ZincOptions){.size = sizeof options, .flags = ZINC_LOCAL};
    EXPECT(zinc_region_create_anonymous(64, &options, &handle) == 0);
    EXPECT(zinc_lock_acquire(handle, 0, NULL) == -EINVAL);
    zinc_close(handle);
}

/* ---- seats ---- */

static void count_seat(const ZincSeat *seat, void *context) {
    int *counts = context;
    counts[seat->is_alive]++;
    EXPECT(seat->role == 1);
}

static void sit_and_stay(ZincHandle handle) {
    EXPECT(zinc_lock_acquire(handle, 16, NULL) == 0);
    EXPECT(zinc_lock_release(handle, 16) == 0);
    say_ready();
    await_go();
}

static void seats(void) {
    ZincHandle handle, others[120];
    int counts[2] = {0, 0};
    EXPECT(zinc_region_create(name, 64, NULL, &handle) == 0);
    EXPECT(zinc_seats(handle, count_seat, counts) == 0);
    EXPECT(counts[0] == 0 && counts[1] == 0);
    EXPECT(zinc_seat_descriptor(handle) == -ENOENT);
    Child child = start(sit_and_stay, handle);
    await_ready(child);
    EXPECT(zinc_seats_examine(name, count_seat, counts) == 0);
    EXPECT(counts[0] == 0 && counts[1] == 1);
    end(child, 1);
    memset(counts, 0, sizeof counts);
    EXPECT(zinc_seats(handle, count_seat, counts) == 0);
    EXPECT(counts[0] == 1 && counts[1] == 0);

    /* All of them, that of the dead one too; and no more. */
    for (int i = 0; i < 120; i++) {
        EXPECT(zinc_open(name, &others[i]) == 0);
        EXPECT(zinc_lock_acquire(others[i], 16, NULL) == 0);
        EXPECT(zinc_lock_release(others[i], 16) == 0);
    }
    EXPECT(zinc_lock_acquire(handle, 16, NULL) == -EUSERS);
    EXPECT(strstr(zinc_error_message(), "120") != NULL);
    memset(counts, 0, sizeof counts);
    EXPECT(zinc_seats(handle, count_seat, counts) == 0);
    EXPECT(counts[0] == 0 && counts[1] == 120);
    zinc_close(others[50]);
    EXPECT(zinc_lock_acquire(handle, 16, NULL) == 0);
    EXPECT(zinc_seat_descriptor(handle) > 2);
    for (int i = 0; i < 120; i++)
        if (i != 50) zinc_close(others[i]);
    memset(counts, 0, sizeof counts);
    EXPECT(zinc_seats(handle, count_seat, counts) == 0);
    EXPECT(counts[0] == 0 && counts[1] == 1);
    zinc_close(handle);
}

/* ---- the family ---- */

static void take_two_permits(ZincHandle handle) {
    EXPECT(zinc_semaphore_acquire(handle, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_semaphore_acquire(handle, ZINC_OWN_LOCK, NULL) == 0);
    say_ready();
    await_go();
}

static void semaphore(void) {
    ZincHandle handle = open_one(ZINC_SEMAPHORE, 3), other;
    EXPECT(zinc_primitive_open(name, ZINC_SEMAPHORE, 4, NULL, &other) == -EEXIST);
    EXPECT(zinc_primitive_open(name, ZINC_SEMAPHORE, 400, NULL, &other) == -EEXIST);
    EXPECT(zinc_primitive_open(name, ZINC_EVENT, 0, NULL, &other) == -EEXIST);
    EXPECT(zinc_primitive_open(name, ZINC_SEMAPHORE, 0, NULL, &other) == -EINVAL);
    EXPECT(zinc_semaphore_value(handle, ZINC_OWN_LOCK) == 3);
    EXPECT(zinc_semaphore_release(handle, ZINC_OWN_LOCK) == -EPERM);
    Child child = start(take_two_permits, handle);
    await_ready(child);
    EXPECT(zinc_semaphore_value(handle, ZINC_OWN_LOCK) == 1);
    EXPECT(zinc_semaphore_acquire(handle, ZINC_OWN_LOCK, NULL) == 0);
    ZincWaitOptions soon = in(60);
    EXPECT(zinc_semaphore_acquire(handle, ZINC_OWN_LOCK, &soon) == -ETIMEDOUT);
    end(child, 1);
    for (int i = 0; i < 2; i++) EXPECT(zinc_semaphore_acquire(handle, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_semaphore_acquire(handle, ZINC_OWN_LOCK, &look) == -ETIMEDOUT);
    for (int i = 0; i < 3; i++) EXPECT(zinc_semaphore_release(handle, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_semaphore_release(handle, ZINC_OWN_LOCK) == -EPERM);
    EXPECT(zinc_semaphore_value(handle, ZINC_OWN_LOCK) == 3);
    zinc_close(handle);
}

static void read_and_stay(ZincHandle handle) {
    EXPECT(zinc_rwlock_acquire_read(handle, ZINC_OWN_LOCK, NULL) == 0);
    say_ready();
    await_go();
    EXPECT(zinc_rwlock_release_read(handle, ZINC_OWN_LOCK) == 0);
}

static void write_and_stay(ZincHandle handle) {
    EXPECT(zinc_rwlock_acquire_write(handle, ZINC_OWN_LOCK, NULL) == 0);
    say_ready();
    await_go();
}

static void readers_and_writers(void) {
    ZincHandle handle = open_one(ZINC_RWLOCK, 0), other = open_one(ZINC_RWLOCK, 0);
    EXPECT(zinc_rwlock_acquire_read(handle, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_rwlock_acquire_read(handle, ZINC_OWN_LOCK, NULL) == 0);
    Child child = start(read_and_stay, handle);
    await_ready(child);
    EXPECT(zinc_rwlock_readers(handle, ZINC_OWN_LOCK) == 3);
    ZincWaitOptions soon = in(60);
    EXPECT(zinc_rwlock_acquire_write(other, ZINC_OWN_LOCK, &soon) == -ETIMEDOUT);
    EXPECT(zinc_rwlock_release_read(handle, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_rwlock_release_read(handle, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_rwlock_release_read(handle, ZINC_OWN_LOCK) == -EPERM);
    soon = in(60);
    EXPECT(zinc_rwlock_acquire_write(other, ZINC_OWN_LOCK, &soon) == -ETIMEDOUT);
    end(child, 1);
    EXPECT(zinc_rwlock_acquire_write(other, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_rwlock_acquire_read(handle, ZINC_OWN_LOCK, &look) == -ETIMEDOUT);
    EXPECT(zinc_rwlock_acquire_write(handle, ZINC_OWN_LOCK, &look) == -ETIMEDOUT);
    EXPECT(zinc_rwlock_release_write(other, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_rwlock_acquire_read(handle, ZINC_OWN_LOCK, &look) == 0);
    zinc_close(handle); /* a reader that goes */
    EXPECT(zinc_rwlock_acquire_write(other, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_rwlock_release_write(other, ZINC_OWN_LOCK) == 0);

    child = start(write_and_stay, other);
    await_ready(child);
    end(child, 1);
    EXPECT(zinc_rwlock_acquire_read(other, ZINC_OWN_LOCK, NULL) == -EOWNERDEAD);
    EXPECT(zinc_rwlock_acquire_write(other, ZINC_OWN_LOCK, NULL) == -EOWNERDEAD);
    EXPECT(zinc_rwlock_acquire_write(other, ZINC_OWN_LOCK, &recover) == ZINC_OWNER_DIED);
    EXPECT(zinc_rwlock_abandon_write(other, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_rwlock_acquire_read(other, ZINC_OWN_LOCK, NULL) == -EOWNERDEAD);
    EXPECT(zinc_rwlock_acquire_write(other, ZINC_OWN_LOCK, &recover) == ZINC_OWNER_DIED);
    EXPECT(zinc_rwlock_release_write(other, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_rwlock_acquire_read(other, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_rwlock_release_read(other, ZINC_OWN_LOCK) == 0);
    zinc_close(other);
}

static void wait_for_it(ZincHandle handle) {
    EXPECT(zinc_lock_acquire(handle, ZINC_OWN_LOCK, NULL) == 0);
    int32_t place = zinc_condition_begin(handle, ZINC_OWN_LOCK);
    EXPECT(place >= 0);
    EXPECT(zinc_lock_release(handle, ZINC_OWN_LOCK) == 0);
    say_ready();
    EXPECT(zinc_condition_sleep(handle, ZINC_OWN_LOCK, place, NULL) == 0);
    say_ready();
    await_go();
    EXPECT(zinc_lock_acquire(handle, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_condition_end(handle, ZINC_OWN_LOCK, place) == 1);
    EXPECT(zinc_condition_end(handle, ZINC_OWN_LOCK, place) == -EINVAL);
    EXPECT(zinc_lock_release(handle, ZINC_OWN_LOCK) == 0);
}

static void notify(ZincHandle handle, uint32_t count, int32_t expected) {
    EXPECT(zinc_lock_acquire(handle, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_condition_notify(handle, ZINC_OWN_LOCK, count) == expected);
    EXPECT(zinc_lock_release(handle, ZINC_OWN_LOCK) == 0);
}

static void condition(void) {
    ZincHandle handle = open_one(ZINC_CONDITION, 0);
    notify(handle, 1, 0);
    Child first = start(wait_for_it, handle);
    await_ready(first);
    Child second = start(wait_for_it, handle);
    await_ready(second);
    Child third = start(wait_for_it, handle);
    await_ready(third);
    end(third, 1);
    notify(handle, 1, 1);
    await_ready(first); /* who came first */
    EXPECT(end(first, 0) == 0);
    notify(handle, 5, 1); /* the dead one does not count */
    await_ready(second);
    EXPECT(end(second, 0) == 0);
    notify(handle, 5, 0);

    /* One that was notified and is killed before it has the lock leaves it to the next. */
    first = start(wait_for_it, handle);
    await_ready(first);
    second = start(wait_for_it, handle);
    await_ready(second);
    notify(handle, 1, 1);
    await_ready(first);
    end(first, 1);
    await_ready(second);
    EXPECT(end(second, 0) == 0);

    /* A place that is given back without a notification, and more than there are. */
    EXPECT(zinc_condition_sleep(handle, ZINC_OWN_LOCK, 0, NULL) == -EINVAL);
    for (int i = 0; i < 128; i++) EXPECT(zinc_condition_begin(handle, ZINC_OWN_LOCK) == i);
    EXPECT(zinc_condition_begin(handle, ZINC_OWN_LOCK) == -EAGAIN);
    ZincWaitOptions soon = in(30);
    EXPECT(zinc_condition_sleep(handle, ZINC_OWN_LOCK, 7, &soon) == -ETIMEDOUT);
    EXPECT(zinc_condition_end(handle, ZINC_OWN_LOCK, 7) == 0);
    EXPECT(zinc_condition_notify(handle, ZINC_OWN_LOCK, UINT32_MAX) == 127);
    zinc_close(handle);
}

static void await_event(ZincHandle handle) {
    say_ready();
    EXPECT(zinc_event_wait(handle, 8, NULL) == 0);
}

static void event(void) {
    ZincHandle handle;
    EXPECT(zinc_region_create(name, 64, NULL, &handle) == 0);
    Child child = start(await_event, handle);
    await_ready(child);
    ZincWaitOptions soon = in(30);
    EXPECT(zinc_event_wait(handle, 8, &soon) == -ETIMEDOUT);
    EXPECT(zinc_event_is_set(handle, 8) == 0);
    EXPECT(zinc_event_set(handle, 8) == 0);
    EXPECT(zinc_event_set(handle, 8) == 0);
    EXPECT(zinc_event_is_set(handle, 8) == 1);
    EXPECT(zinc_event_wait(handle, 8, &look) == 0);
    EXPECT(end(child, 0) == 0);
    EXPECT(zinc_event_clear(handle, 8) == 0);
    EXPECT(zinc_event_wait(handle, 8, &look) == -ETIMEDOUT);
    EXPECT(zinc_event_set(handle, 4) == -EINVAL);
    zinc_close(handle);
}

static void change_number(ZincHandle handle) {
    say_ready();
    __atomic_store_n((uint64_t *)(void *)(zinc_ptr(handle) + 8), 1, __ATOMIC_SEQ_CST);
    zinc_notify(handle);
    await_go();
    __atomic_store_n((uint64_t *)(void *)(zinc_ptr(handle) + 8), 2, __ATOMIC_SEQ_CST); /* and tells nobody */
}

static void number(void) {
    ZincHandle handle, reader;
    EXPECT(zinc_region_create(name, 20, NULL, &handle) == 0);
    EXPECT(zinc_number_wait(handle, 8, 8, 0, &look) == -ETIMEDOUT);
    EXPECT(zinc_number_wait(handle, 8, 8, 1, &look) == 0);
    EXPECT(zinc_number_wait(handle, 16, 4, 0, &look) == -ETIMEDOUT);
    EXPECT(zinc_number_wait(handle, 16, 4, 1ull << 32, &look) == 0);
    EXPECT(zinc_number_wait(handle, 16, 8, 0, &look) == -EINVAL);
    EXPECT(zinc_number_wait(handle, 2, 4, 0, &look) == -EINVAL);
    EXPECT(zinc_number_wait(handle, 0, 2, 0, &look) == -EINVAL);
    EXPECT(zinc_number_wait(handle, UINTPTR_MAX, 4, 0, &look) == -EINVAL);
    Child child = start(change_number, handle);
    await_ready(child);
    EXPECT(zinc_number_wait(handle, 8, 8, 0, NULL) == 0);
    ZincOptions options = {.size = sizeof options, .flags = ZINC_READONLY};
    EXPECT(zinc_region_open(name, &options, &reader) == 0);
    EXPECT(end(child, 0) == 0);
    EXPECT(zinc_number_wait(reader, 8, 8, 1, NULL) == 0);
    zinc_close(reader);
    zinc_close(handle);
}

static void come(ZincHandle handle) {
    uint32_t phase;
    say_ready();
    int32_t place = zinc_barrier_arrive(handle, ZINC_OWN_LOCK, &phase, NULL);
    EXPECT(place >= 0);
    int32_t status = place == 2 ? zinc_barrier_release(handle, ZINC_OWN_LOCK, phase)
                                : zinc_barrier_wait(handle, ZINC_OWN_LOCK, phase, NULL);
    zinc_close(handle); /* It has not died: that would break the next phase if it takes long. */
    _exit(failures ? 1 : status == 0 ? 10 : status == -EPIPE ? 11 : 12);
}

static int code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }

static uint32_t waiting(ZincHandle handle) {
    ZincBarrierInfo info = {.size = sizeof info};
    EXPECT(zinc_barrier_examine(handle, ZINC_OWN_LOCK, &info) == 0);
    EXPECT(info.parties == 3);
    return info.waiting;
}

static void barrier(void) {
    ZincHandle handle = open_one(ZINC_BARRIER, 3);
    for (int round = 0; round < 3; round++) {
        Child children[3];
        for (int i = 0; i < 3; i++) children[i] = start(come, handle);
        for (int i = 0; i < 3; i++) EXPECT(code(end(children[i], 0)) == 10);
    }
    /* One of those who wait dies: the other is told, and who comes later. */
    Child one = start(come, handle), two = start(come, handle);
    while (waiting(handle) < 2) usleep(1000);
    end(two, 1);
    EXPECT(code(end(one, 0)) == 11);
    uint32_t phase;
    EXPECT(zinc_barrier_arrive(handle, ZINC_OWN_LOCK, &phase, NULL) == -EPIPE);
    EXPECT(zinc_barrier_reset(handle, ZINC_OWN_LOCK) == 0);
    /* Who waits is told of a reset and of an abort. */
    one = start(come, handle);
    while (waiting(handle) < 1) usleep(1000);
    EXPECT(zinc_barrier_reset(handle, ZINC_OWN_LOCK) == 0);
    EXPECT(code(end(one, 0)) == 11);
    one = start(come, handle);
    while (waiting(handle) < 1) usleep(1000);
    EXPECT(zinc_barrier_abort(handle, ZINC_OWN_LOCK) == 0);
    EXPECT(code(end(one, 0)) == 11);
    EXPECT(zinc_barrier_reset(handle, ZINC_OWN_LOCK) == 0);
    /* Who gives up breaks it for the others. */
    one = start(come, handle);
    EXPECT(zinc_barrier_arrive(handle, ZINC_OWN_LOCK, &phase, NULL) >= 0);
    ZincWaitOptions soon = in(60);
    EXPECT(zinc_barrier_wait(handle, ZINC_OWN_LOCK, phase, &soon) == -ETIMEDOUT);
    EXPECT(code(end(one, 0)) == 11);
    EXPECT(zinc_barrier_reset(handle, ZINC_OWN_LOCK) == 0);
    Child children[3];
    for (int i = 0; i < 3; i++) children[i] = start(come, handle);
    for (int i = 0; i < 3; i++) EXPECT(code(end(children[i], 0)) == 10);
    zinc_close(handle);
}

/* Who uses the region, and stays. */
static void sit(ZincHandle handle) {
    EXPECT(zinc_lock_acquire(handle, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_lock_release(handle, ZINC_OWN_LOCK) == 0);
    say_ready();
    pause();
}

/* Comes, and waits for the other one; how that ends. */
static int32_t come_alone(ZincHandle handle, uintptr_t place, uint64_t milliseconds) {
    uint32_t phase;
    ZincWaitOptions wait = in(milliseconds);
    EXPECT(zinc_barrier_arrive(handle, place, &phase, NULL) == 0);
    return zinc_barrier_wait(handle, place, phase, &wait);
}

static void sit_and_die(ZincHandle handle) {
    Child child = start(sit, handle);
    await_ready(child);
    end(child, 1);
}

/* A death breaks each barrier of a region, whoever finds it first: here who waits at the first one, or
   for readers. */
static void barriers(void) {
    enum { FIRST = 0, SECOND = 512, LOCK = 1024 };
    ZincHandle handle, other;
    EXPECT(zinc_create(name, 4 * (uintptr_t)sysconf(_SC_PAGESIZE), &handle) == 0);
    uintptr_t places[] = {FIRST, SECOND};
    for (int i = 0; i < 2; i++) EXPECT(zinc_primitive_init(handle, places[i], ZINC_BARRIER, 2) == 0);
    sit_and_die(handle);
    for (int i = 0; i < 2; i++) {
        EXPECT(come_alone(handle, places[i], 10000) == -EPIPE);
        EXPECT(zinc_barrier_reset(handle, places[i]) == 0);
    }
    /* Known to both: it breaks none any more. */
    for (int i = 0; i < 2; i++) {
        EXPECT(come_alone(handle, places[i], 60) == -ETIMEDOUT);
        EXPECT(zinc_barrier_reset(handle, places[i]) == 0);
    }
    sit_and_die(handle);
    EXPECT(zinc_open(name, &other) == 0);
    EXPECT(zinc_rwlock_acquire_read(other, LOCK, NULL) == 0);
    ZincWaitOptions soon = in(60);
    EXPECT(zinc_rwlock_acquire_write(handle, LOCK, &soon) == -ETIMEDOUT);
    EXPECT(zinc_rwlock_release_read(other, LOCK) == 0);
    zinc_close(other);
    for (int i = 0; i < 2; i++) EXPECT(come_alone(handle, places[i], 10000) == -EPIPE);
    zinc_close(handle);
}

/* Interrupted, who writes keeps its turn: readers that overlap are not let in before it. */
static void turns(void) {
    ZincHandle one = open_one(ZINC_RWLOCK, 0), other = open_one(ZINC_RWLOCK, 0);
    EXPECT(zinc_rwlock_wait_for_readers(other, ZINC_OWN_LOCK, &look) == -EPERM);
    EXPECT(zinc_rwlock_acquire_read(one, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_lock_acquire(other, ZINC_OWN_LOCK, NULL) == 0);
    ZincWaitOptions interruptible = in(60000);
    interruptible.flags = ZINC_WAIT_INTERRUPTIBLE;
    EXPECT(zinc_rwlock_wait_for_readers(other, ZINC_OWN_LOCK, &interruptible) == -EINTR);
    ZincHandle third = open_one(ZINC_RWLOCK, 0);
    EXPECT(zinc_rwlock_acquire_read(third, ZINC_OWN_LOCK, &look) == -ETIMEDOUT);
    EXPECT(zinc_rwlock_release_read(one, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_rwlock_wait_for_readers(other, ZINC_OWN_LOCK, NULL) == 0);
    EXPECT(zinc_rwlock_release_write(other, ZINC_OWN_LOCK) == 0);
    EXPECT(zinc_rwlock_acquire_read(third, ZINC_OWN_LOCK, &look) == 0);
    EXPECT(zinc_lock_acquire(other, ZINC_OWN_LOCK, NULL) == 0);
    ZincWaitOptions soon = in(60);
    EXPECT(zinc_rwlock_wait_for_readers(other, ZINC_OWN_LOCK, &soon) == -ETIMEDOUT);
    EXPECT(zinc_rwlock_acquire_read(one, ZINC_OWN_LOCK, &look) == 0);
    zinc_close(one);
    zinc_close(other);
    zinc_close(third);
}

/* What another program wrote where they lie is an error, and nothing worse. */
static void scribbles(void) {
    ZincHandle handle;
    ZincOptions sparse = {.size = sizeof sparse, .flags = ZINC_SPARSE};
    EXPECT(zinc_region_create(name, (uintptr_t)16 << 30, &sparse, &handle) == 0);
    uint32_t *words = (uint32_t *)(void *)zinc_ptr(handle);
    words[0] = 0xF0000000u; /* There is room for so many. */
    EXPECT(zinc_semaphore_value(handle, 0) == -EBADMSG);
    EXPECT(zinc_semaphore_acquire(handle, 0, &look) == -EBADMSG);
    ZincBarrierInfo info = {.size = sizeof info};
    EXPECT(zinc_barrier_examine(handle, 0, &info) == -EBADMSG);
    /* Waiters, but nobody whom they wait for. */
    words[0] = 1u << 31;
    EXPECT(zinc_rwlock_acquire_read(handle, 0, &look) == 0);
    EXPECT(zinc_rwlock_release_read(handle, 0) == 0);
    EXPECT(zinc_rwlock_acquire_write(handle, 0, &look) == 0);
    EXPECT(zinc_rwlock_release_write(handle, 0) == 0);
    zinc_close(handle);
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    snprintf(name, sizeof name, "%s", arguments[1]);
    signal(SIGPIPE, SIG_IGN);
    lock();
    inside_a_region();
    seats();
    semaphore();
    readers_and_writers();
    condition();
    event();
    number();
    barrier();
    barriers();
    turns();
    scribbles();
    return failures != 0;
}
