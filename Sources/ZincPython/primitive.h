/* What locks and their family share: arguments, errors, and the object of those in a region. */
#ifndef ZINCPYTHON_PRIMITIVE_H
#define ZINCPYTHON_PRIMITIVE_H

#include "region.h"

/* The deadline that acquire()'s arguments mean, a lock's or others'; 0 with an exception if none. */
int acquire_deadline(PyObject *const *args, Py_ssize_t count, PyObject *keywords, int is_lock,
                     uint64_t *deadline);

/* That of wait(timeout=None, *, timeout_ms=None), likewise. */
int wait_deadline(PyObject *timeout, PyObject *timeout_ms, uint64_t *deadline);

/* Raises what a failing call for the lock or another at this place has left behind. Returns NULL. */
PyObject *primitive_raise(Region *region, uintptr_t offset, ZincHandle handle, int32_t status);

/* One of the family, which is a region of its own. What is more, its class in Python keeps. */
typedef struct {
    PyObject_HEAD Region *region;
} Primitive;

/*
 * Calls `wait` with the GIL held and no patience, then without it until the deadline, and again
 * after each signal whose handler returns. Its result, or -EINTR with the handler's exception.
 */
int32_t primitive_wait(ZincHandle handle, uint64_t deadline,
                       int32_t (*wait)(ZincHandle handle, const ZincWaitOptions *options, void *context),
                       void *context);

/* The base, and those that have it: semaphore.c, condition.c, event.c, barrier.c. */
extern PyType_Spec zinc_primitive_spec, zinc_semaphore_spec, zinc_reader_spec, zinc_condition_spec,
    zinc_event_spec, zinc_barrier_spec;

/* Numbers within a region, of atomic.c. */
extern PyType_Spec zinc_atomic_spec;

#endif
