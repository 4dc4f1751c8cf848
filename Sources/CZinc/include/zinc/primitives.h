/*
 * The family of the lock: semaphores, locks for readers and writers, conditions, events and
 * barriers. A part of zinc.h, which includes it.
 *
 * Each is a region of its own, opened or created by name, or a part of the data of any region: at
 * byte `offset`, zinc_primitive_size() bytes, zeros at first, that nobody else writes. ZINC_OWN_LOCK
 * as `offset` means a region that is nothing else.
 *
 * Seats prove who is dead, as for locks (see lock.h), and so within 20 ms: permits of a dead one come
 * back, a dead reader reads no more, a dead writer is told, a barrier breaks. Sleepers wait for the
 * notifications of the region, of which each change is one: zinc_notify() of others wakes them, too,
 * for nothing.
 *
 * `wait`, here as for zinc_lock_acquire(): null waits for ever; of the flags ZINC_WAIT_INTERRUPTIBLE
 * and ZINC_WAIT_SLEEP. All that wait return -110 at the deadline, -4 for a signal, after which the
 * same call goes on, and -125 if the handle was closed meanwhile; all return -22 for an offset that
 * can't be, -1 where this user may only read, -87 if all seats are taken.
 */
#ifndef ZINC_PRIMITIVES_H
#define ZINC_PRIMITIVES_H

#include "lock.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * How many bytes one of `kind`, ZINC_LOCK to ZINC_BARRIER, takes inside a region; `count` is for how
 * many permits or parties, and for nothing else. A ZINC_RWLOCK begins at a multiple of 64, the
 * others of 8. 0 for what can't be.
 */
uintptr_t zinc_primitive_size(uint32_t kind, uint32_t count);

/**
 * Opens what has this name, or creates it: zinc_lock_open() for all of them. `count` as above. -17
 * if the name is taken by something else, or by one for another count.
 */
int32_t zinc_primitive_open(const char *name, uint32_t kind, uint32_t count, const ZincOptions *options,
                            ZincHandle *out);

/**
 * Makes zeros inside a region a semaphore of so many permits, or a barrier for so many parties;
 * where it is one already, nothing happens, or -17 if it is for another count.
 */
int32_t zinc_primitive_init(ZincHandle handle, uintptr_t offset, uint32_t kind, uint32_t count);

/* ---- a semaphore ---- */

/** Takes a permit: 0. It is the handle's until it gives it back, closes or ends. */
int32_t zinc_semaphore_acquire(ZincHandle handle, uintptr_t offset, const ZincWaitOptions *wait);

/** Gives a permit of this handle back. -1 if it has none. */
int32_t zinc_semaphore_release(ZincHandle handle, uintptr_t offset);

/** How many permits are free. */
int32_t zinc_semaphore_value(ZincHandle handle, uintptr_t offset);

/* ---- a lock for one writer or many readers ---- */

/**
 * Begins to read: 0. Any number of readers do so at once, and each ends by zinc_rwlock_release_read().
 * Who wants to write goes first. -130 where a writer has died: nobody reads what is half written.
 */
int32_t zinc_rwlock_acquire_read(ZincHandle handle, uintptr_t offset, const ZincWaitOptions *wait);

/** -1 if this handle does not read. */
int32_t zinc_rwlock_release_read(ZincHandle handle, uintptr_t offset);

/**
 * Begins to write, alone: 0, or as zinc_lock_acquire() has it when a writer has died, ZINC_OWNER_DIED
 * with ZINC_WAIT_RECOVER. The lock of the writer is the one that zinc_lock_examine() and
 * zinc_lock_repaired() are told with the same offset; the other functions of locks are not for it,
 * but as zinc_rwlock_wait_for_readers() has it.
 * A handle that reads and wants to write waits for itself.
 */
int32_t zinc_rwlock_acquire_write(ZincHandle handle, uintptr_t offset, const ZincWaitOptions *wait);

/**
 * The second half of zinc_rwlock_acquire_write(), by who has acquired the lock of the writer by
 * zinc_lock_acquire(), for who is often interrupted: 0 once nobody reads. -4 keeps its turn, for
 * another call; readers that overlap would for ever come before a writer that begins anew each time.
 * After any other error the lock is given up, as it was found.
 */
int32_t zinc_rwlock_wait_for_readers(ZincHandle handle, uintptr_t offset, const ZincWaitOptions *wait);

/** As zinc_lock_release(). */
int32_t zinc_rwlock_release_write(ZincHandle handle, uintptr_t offset);

/** As zinc_lock_abandon(). */
int32_t zinc_rwlock_abandon_write(ZincHandle handle, uintptr_t offset);

/** How many read. */
int32_t zinc_rwlock_readers(ZincHandle handle, uintptr_t offset);

/* ---- a condition ---- */

/**
 * Takes one of 128 places to wait at, by who has the lock that guards what is waited for, whichever
 * lock that is: the place, from 0. Then release the lock, call zinc_condition_sleep(), acquire the
 * lock again, and call zinc_condition_end(), whatever came of the sleep. -11 if all are taken.
 */
int32_t zinc_condition_begin(ZincHandle handle, uintptr_t offset);

/** Sleeps until the place is notified: 0. */
int32_t zinc_condition_sleep(ZincHandle handle, uintptr_t offset, int32_t place, const ZincWaitOptions *wait);

/** Gives the place back: 1 if it was notified, be it after the end of the sleep, else 0. */
int32_t zinc_condition_end(ZincHandle handle, uintptr_t offset, int32_t place);

/**
 * Notifies at most `count` of those who wait, in the order in which they came, by who has the lock:
 * how many. One that is killed once it was notified leaves its notification to another.
 */
int32_t zinc_condition_notify(ZincHandle handle, uintptr_t offset, uint32_t count);

/* ---- an event ---- */

/** Sets it, and wakes who waits. */
int32_t zinc_event_set(ZincHandle handle, uintptr_t offset);

int32_t zinc_event_clear(ZincHandle handle, uintptr_t offset);

/** 1 or 0. */
int32_t zinc_event_is_set(ZincHandle handle, uintptr_t offset);

/** Waits until it is set, or was meanwhile: 0. */
int32_t zinc_event_wait(ZincHandle handle, uintptr_t offset, const ZincWaitOptions *wait);

/* ---- a number ---- */

/**
 * Waits until the number of `bytes`, 4 or 8, at byte `offset` of the data is not `value`: 0. Whoever
 * changes it, by <stdatomic.h> on zinc_ptr() + offset, tells by zinc_notify() after that; without, it
 * is seen within 20 ms. `offset` is a multiple of `bytes`. For who may only read, too.
 */
int32_t zinc_number_wait(ZincHandle handle, uintptr_t offset, uint32_t bytes, uint64_t value,
                         const ZincWaitOptions *wait);

/* ---- a barrier ----
 *
 * In a region with more in it, the death of who has used anything of that which takes a seat breaks
 * each barrier there.
 */

/**
 * Comes to the barrier: a place, from 0, and in `*phase` what the other two calls want. Who gets the
 * last place, parties - 1, does what is to be done between two phases, and calls
 * zinc_barrier_release(); the others call zinc_barrier_wait(). -32 (EPIPE) if the barrier is broken, or
 * is reset as this one comes.
 */
int32_t zinc_barrier_arrive(ZincHandle handle, uintptr_t offset, uint32_t *phase,
                            const ZincWaitOptions *wait);

/** Lets the others go, by who came last. -32 if the barrier has broken meanwhile. */
int32_t zinc_barrier_release(ZincHandle handle, uintptr_t offset, uint32_t phase);

/**
 * Waits until all are there: 0. -32 if it breaks: one who waits, or who has used it and is not yet
 * there, has died; one has given up, as this call does at its deadline; or somebody broke or reset it.
 */
int32_t zinc_barrier_wait(ZincHandle handle, uintptr_t offset, uint32_t phase, const ZincWaitOptions *wait);

/** Breaks it, until zinc_barrier_reset(). */
int32_t zinc_barrier_abort(ZincHandle handle, uintptr_t offset);

/** Begins anew, whole; for those who wait it breaks. */
int32_t zinc_barrier_reset(ZincHandle handle, uintptr_t offset);

/** How a barrier is. */
typedef struct ZincBarrierInfo {
    uintptr_t size; /**< sizeof(ZincBarrierInfo) */
    uint32_t parties;
    uint32_t waiting; /**< how many are there */
    uint32_t is_broken;
    uint32_t reserved;
} ZincBarrierInfo;

int32_t zinc_barrier_examine(ZincHandle handle, uintptr_t offset, ZincBarrierInfo *info);

#ifdef __cplusplus
}
#endif

#endif
