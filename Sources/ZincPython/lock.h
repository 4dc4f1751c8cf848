/* Lock's object, for lock.c, which takes and gives it, and recovery.c. */
#ifndef ZINCPYTHON_LOCK_H
#define ZINCPYTHON_LOCK_H

#include "region.h"

#include <stdatomic.h>

/*
 * The core knows the handle as the holder. An object keeps for itself that it is the one that has
 * the lock, since a region may have several objects for one lock.
 */
typedef struct {
    PyObject_HEAD Region *region;
    PyObject *repair; /* or None */
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

/* As region_begin(). */
ZincHandle lock_begin(Lock *self);

/*
 * Acquires it by the deadline: 1, 0 if it is still held then, or -1 with an exception. `died`, which
 * may be null: take it from a dead holder and say so, and run no repair.
 */
int lock_take(Lock *self, ZincHandle handle, uint64_t deadline, int *died);

/* Releases it, or abandons it if `is_whole` is 0; NULL with an exception if it is not held. */
PyObject *lock_give(Lock *self, int is_whole);

/* lock.recover(), of recovery.c. */
PyObject *lock_recover(Lock *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
extern const char lock_recover_doc[];

#endif
