/* Lock's object: lock.c takes and gives it, lock_type.c is its type, recovery.c recovers it. */
#ifndef ZINCPYTHON_LOCK_H
#define ZINCPYTHON_LOCK_H

#include "primitive.h"

#include <stdatomic.h>

/* What differs between a lock and that of a writer. */
typedef struct {
    int32_t (*acquire)(ZincHandle handle, uintptr_t offset, const ZincWaitOptions *wait);
    /* A writer's, once it has zinc_lock_acquire()d: zinc_rwlock_wait_for_readers(); or NULL. */
    int32_t (*wait)(ZincHandle handle, uintptr_t offset, const ZincWaitOptions *wait);
    int32_t (*release)(ZincHandle handle, uintptr_t offset);
    int32_t (*abandon)(ZincHandle handle, uintptr_t offset);
} LockCalls;

extern const LockCalls lock_calls, writer_calls;

/*
 * The core knows the handle as the holder. An object keeps for itself that it is the one that has
 * the lock, since a region may have several objects for one lock.
 */
typedef struct {
    PyObject_HEAD Region *region;
    PyObject *repair; /* or None */
    const LockCalls *calls;
    uintptr_t offset;
    SHARED unsigned long thread; /* a reentrant one's: which thread has it */
    SHARED size_t depth;         /* and how often beside the first time */
    SHARED unsigned held;        /* the `era` in which this object has it, or 0 */
    _Atomic int queued;          /* coroutines that wait for it */
    SHARED char is_closed;
    char is_reentrant;
    char owns_region;
} Lock;

/* Lets forked children know that they hold nothing, from now on: 0, or an error number. */
int lock_watch_forks(void);

/* "lock 'name'", for messages. */
PyObject *lock_title(Lock *self);

/* As region_begin(). */
ZincHandle lock_begin(Lock *self);

/* Has this object got it, in this process? */
int lock_is_held(Lock *self);

/* And has this thread, of a reentrant one? */
int lock_is_mine(Lock *self);

/*
 * Acquires it by the deadline: 1, 0 if it is still held then, or -1 with an exception. `died`, which
 * may be null: take it from a dead holder and say so, and run no repair.
 */
int lock_take(Lock *self, ZincHandle handle, uint64_t deadline, int *died);

/* Gives it back as the core gave it, with this status: nobody has been told. */
void lock_decline(Lock *self, ZincHandle handle, int32_t status);

/* What is left to do once the core has answered; as lock_take(). */
int lock_settle(Lock *self, ZincHandle handle, int32_t status, int *died);

/* Abandons it, if this object has it; raises nothing, and leaves an exception alone. */
void lock_give_up(Lock *self, ZincHandle handle);

/* zinc_lock_examine(): 0, or -1 with an exception. */
int lock_look(Lock *self, ZincLockInfo *info);

/* Releases it, or abandons it if `is_whole` is 0; NULL with an exception if it is not held. */
PyObject *lock_give(Lock *self, int is_whole);

/* lock.recover(), of recovery.c. */
PyObject *lock_recover(Lock *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
extern const char lock_recover_doc[];

#endif
