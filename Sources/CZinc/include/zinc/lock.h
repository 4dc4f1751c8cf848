/*
 * Seats, which tell who takes part in a region and lives, and locks, which a holder that is killed
 * does not take along. A part of zinc.h, which includes it.
 *
 * Who uses a lock sits on one of the region's 120 seats, from its first use to its end: each handle
 * on one, each with a descriptor of its own (zinc_seat_descriptor()). Who may only read the region
 * can't: -1. When all are taken, -87 (EUSERS).
 *
 * Threads: the holder of a lock is the handle. So its threads exclude each other, and another of
 * them may release it; a handle that waits for what it holds itself waits for ever. A forked child
 * holds nothing that its parent does, and sits by itself at its first use.
 */
#ifndef ZINC_LOCK_H
#define ZINC_LOCK_H

#include "../zinc.h"
#include "seat.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ZincOptions ZincOptions;         /* of region.h */
typedef struct ZincWaitOptions ZincWaitOptions; /* of notification.h */

/* ---- seats ---- */

/**
 * Calls `tell` for each seat on which somebody sits, or did when it was killed. `seat` is valid
 * during the call; `tell` may do what it likes. -22 for a null handle or a closed one.
 */
int32_t zinc_seats(ZincHandle handle, void (*tell)(const ZincSeat *seat, void *context), void *context);

/** The same from outside, of the region of this name, as zinc_region_examine(). */
int32_t zinc_seats_examine(const char *name, void (*tell)(const ZincSeat *seat, void *context),
                           void *context);

/**
 * The descriptor through which the handle sits, beside zinc_region_held_descriptor(): for code that
 * closes all others. It stays zinc's: who sits is taken for dead once it is closed. -2 if the
 * handle does not sit, -22 for null.
 */
int32_t zinc_seat_descriptor(ZincHandle handle);

/* ---- locks ---- */

/**
 * Offset of the lock that each region has beside its data. Every other offset is that of 16 bytes
 * of the data, at a multiple of 8, that nobody else writes: zeros are a free lock.
 */
#define ZINC_OWN_LOCK UINTPTR_MAX

/** Regions that are no more than a lock or another of its family: `kind`, as zinc_region_kind(). */
enum {
    ZINC_LOCK = 3,
    ZINC_RWLOCK = 4,
    ZINC_CONDITION = 5,
    ZINC_SEMAPHORE = 6,
    ZINC_EVENT = 7,
    ZINC_BARRIER = 8,
};

/** zinc_lock_acquire(): the lock is held, but its last holder died with it. */
#define ZINC_OWNER_DIED 1

/**
 * Opens the lock of this name, or creates it if there is none: a region of kind ZINC_LOCK, which
 * zinc_close() closes and for which all functions of regions work. It is its own lock that counts:
 * ZINC_OWN_LOCK. Such a region goes with its last user, as each does, but not while a dead one
 * holds it: who comes next is told. With ZINC_TRANSIENT it goes even then.
 *
 * `options` as for zinc_region_open_or_create(), without metadata, contents or kind. -17 if the
 * name is taken by something else.
 */
int32_t zinc_lock_open(const char *name, const ZincOptions *options, ZincHandle *out);

/**
 * Acquires a lock: 0. Of who has died with it nobody sees the rest: then -130 (EOWNERDEAD), and it
 * is not held, nor by anybody else, until one acquires it with ZINC_WAIT_RECOVER. That one gets
 * ZINC_OWNER_DIED, repairs what the lock guards, and releases it, or gives up by
 * zinc_lock_abandon(). A dead holder is noticed within 20 ms. One that is stopped lives.
 *
 * `wait` as for zinc_region_wait(): of the flags ZINC_WAIT_INTERRUPTIBLE, ZINC_WAIT_SLEEP and
 * ZINC_WAIT_RECOVER; null waits for ever. -110 if it is still held then, -125 if the handle was
 * closed meanwhile, -22 for an offset that can't be, -1 where this user may only read, -74 if the
 * word is nobody's: something else has written there.
 */
int32_t zinc_lock_acquire(ZincHandle handle, uintptr_t offset, const ZincWaitOptions *wait);

/**
 * Acquires a lock if it is free: 0, else -11, and nobody asks why. Not the first of a handle, which
 * has to sit, nor an abandoned one. For who would wait by zinc_lock_acquire() otherwise: that one,
 * with a deadline of 0, looks whether the holder has died, which takes a system call.
 */
int32_t zinc_lock_try(ZincHandle handle, uintptr_t offset);

/**
 * Releases a lock that the handle holds; if its last holder had died, it is repaired now. -1 if the
 * handle does not hold it.
 */
int32_t zinc_lock_release(ZincHandle handle, uintptr_t offset);

/** Says that what a dead holder left is repaired, and keeps the lock. As zinc_lock_release(). */
int32_t zinc_lock_repaired(ZincHandle handle, uintptr_t offset);

/**
 * Releases a lock whose holder has died, or who leaves half done what it guards, without a repair:
 * the next one is told. As zinc_lock_release().
 */
int32_t zinc_lock_abandon(ZincHandle handle, uintptr_t offset);

/** How a lock is. */
enum {
    ZINC_LOCK_FREE = 0,
    ZINC_LOCK_HELD = 1,
    ZINC_LOCK_REPAIRING = 2, /* held by who has not yet repaired what a dead holder left */
    ZINC_LOCK_ABANDONED = 3, /* its holder died, and nobody has it */
    ZINC_LOCK_DAMAGED = 4,   /* its word is nobody's */
};

/** Who has a lock. */
typedef struct ZincLockInfo {
    uintptr_t size;   /**< sizeof(ZincLockInfo) */
    uint32_t state;   /**< of ZINC_LOCK_FREE to ZINC_LOCK_DAMAGED */
    int32_t pid;      /**< who has it, as that process saw itself, or who died; 0 for nobody */
    uint64_t since;   /**< since when that one has it, or had: ns since 1970, to some ms; 0 unknown */
    uint32_t is_mine; /**< 1 if this handle has it */
    uint32_t reserved;
} ZincLockInfo;

/** Tells who has a lock, which may have changed by then. `info->size` has to be set. */
int32_t zinc_lock_examine(ZincHandle handle, uintptr_t offset, ZincLockInfo *info);

/** The same of a region's own lock from outside, as zinc_region_examine(). */
int32_t zinc_lock_examine_name(const char *name, ZincLockInfo *info);

#ifdef __cplusplus
}
#endif

#endif
