/*
 * Notifications: to say that there is something new, and to wait for it, from one region or
 * many. A part of zinc.h, which includes it.
 */
#ifndef ZINC_NOTIFICATION_H
#define ZINC_NOTIFICATION_H

#include "../zinc.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The number of notifications so far, modulo 2^32. */
uint32_t zinc_region_sequence(ZincHandle handle);

/** The sequence that this handle has seen last: what a wait compares with. */
uint32_t zinc_region_seen(ZincHandle handle);

/**
 * As zinc_notify(), and stores the new sequence in `*sequence` unless that is
 * null. -1 if this user may only read the region: nobody was told.
 */
int32_t zinc_region_notify(ZincHandle handle, uint32_t *sequence);

enum {
    ZINC_WAIT_AFTER = 1,         /* wait past `after`, leave what the handle saw alone */
    ZINC_WAIT_INTERRUPTIBLE = 2, /* a signal ends the wait with -4 (EINTR) */
    ZINC_WAIT_SLEEP = 4,         /* sleep at once: for who shares a processor with the notifier, or
                                    would rather save power than microseconds */
    ZINC_WAIT_UNTIL_ALONE = 8,   /* zinc_region_wait alone: nobody else being attached ends the wait
                                    with -32 (EPIPE), within 50 ms */
    ZINC_WAIT_RECOVER = 16,      /* zinc_lock_acquire alone: take it from a dead holder, too */
    ZINC_WAIT_UNTIL_GONE = 32,   /* zinc_reader_receive alone: no writer being left ends it with -32
                                    (EPIPE), within 50 ms */
};

/** deadline_ns for waits without end. */
#define ZINC_FOREVER UINT64_MAX

/** How long to wait, and for what. */
typedef struct ZincWaitOptions {
    uintptr_t size;       /**< sizeof(ZincWaitOptions) */
    uint64_t deadline_ns; /**< CLOCK_MONOTONIC, ns; 0 only looks; ZINC_FOREVER */
    uint32_t flags;       /**< of ZINC_WAIT_AFTER to ZINC_WAIT_UNTIL_ALONE, or 0 */
    uint32_t after;       /**< with ZINC_WAIT_AFTER: return once the sequence is not this */
} ZincWaitOptions;

/**
 * As zinc_wait(), with an absolute deadline, so that an interrupted wait is
 * resumed by the same call. -22 for a null or unknown option.
 *
 * With ZINC_WAIT_UNTIL_ALONE what zinc_region_is_alone() fails with, too; it is asked 40 times a
 * second. News come before -32, those of who has gone since as well.
 */
int32_t zinc_region_wait(ZincHandle handle, const ZincWaitOptions *options);

/** One of many to wait for. */
typedef struct ZincWaitItem {
    ZincHandle handle;
    uint32_t after;  /**< with ZINC_WAIT_AFTER: there is news once the sequence is not this */
    uint32_t is_new; /**< on return: 1 if there was something new, else 0 */
} ZincWaitItem;

/**
 * Waits until at least one of `count` handles has something new, and marks which:
 * zinc_region_wait() for any number of regions, all of which it sees that it marks.
 * `options` as there, its `after` unused; with ZINC_WAIT_AFTER each item has its own
 * and what the handles saw is left alone. -22 for no item, or a null handle; -125 if
 * one of them is closed, before or meanwhile; then, and with -110 and -4, none is
 * marked or seen.
 */
int32_t zinc_wait_any(ZincWaitItem *items, uintptr_t count, const ZincWaitOptions *options);

/** As zinc_wait_any(), until every one of them has something new. */
int32_t zinc_wait_all(ZincWaitItem *items, uintptr_t count, const ZincWaitOptions *options);

/**
 * A descriptor for poll(2), epoll(7) and every event loop: readable exactly while zinc_try_wait()
 * would return 0. Nobody need read it: zinc_try_wait(), or any wait that sees, makes it unreadable.
 * It becomes readable a moment after the notification, as a waiting thread would wake.
 *
 * Made by the first call, the same in each further one. It is the handle's: do not close it;
 * zinc_close() and zinc_region_detach() do, and leave a copy of it, as dup(2) makes them, readable
 * for ever. A forked child has one of its own with the same number,
 * to be polled by a loop that the child makes. One thread of the process sleeps for all of them; it
 * starts with the first and ends after the last. Where this user may only read the region, it looks
 * every 5 ms, as a wait does.
 *
 * -22 for null or a closed region; else what eventfd(2) or the start of the thread fails with.
 */
int32_t zinc_region_event_descriptor(ZincHandle handle);

#ifdef __cplusplus
}
#endif

#endif
