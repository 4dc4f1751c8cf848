/* SharedRegion's object, and how its handle lasts while it is in use. */
#ifndef ZINCPYTHON_REGION_H
#define ZINCPYTHON_REGION_H

#include "module.h"

/*
 * A region's handle outlives close() for as long as something needs the memory: a
 * call in progress, which may have dropped the GIL, or a buffer, which may be handed
 * on to who knows where (so one taken once keeps it to the end; a buffer's owner
 * holds a reference to us).
 */
#ifdef Py_GIL_DISABLED
#include <stdatomic.h>
#define SHARED _Atomic /* threads meet in these fields */
#define EXCHANGE(field, value) atomic_exchange(&(field), value)
#else
#define SHARED
#define EXCHANGE(field, value) exchange(&(field), value)
static inline ZincHandle exchange(ZincHandle *field, ZincHandle value) {
    ZincHandle old = *field;
    *field = value;
    return old;
}
#endif

enum { CLOSED = 1, ONE_CALL = 2 };

typedef struct {
    PyObject_HEAD SHARED ZincHandle handle; /* null once freed */
    PyObject *name;
    Py_ssize_t capacity;
    unsigned long long id;
    unsigned kind;
    SHARED uint32_t uses; /* CLOSED, and ONE_CALL for each in progress */
    SHARED char has_views;
    char is_readonly;
} Region;

/* Ends a call: the last one of a closed region frees what nobody needs. */
static inline void region_end(Region *self) {
    if ((self->uses -= ONE_CALL) != CLOSED || self->has_views) return;
    ZincHandle handle = EXCHANGE(self->handle, NULL);
    Py_BEGIN_ALLOW_THREADS zinc_close(handle);
    Py_END_ALLOW_THREADS
}

/* Begins a call, unless the region is closed: then 0. */
static inline int region_begin_if_open(Region *self) {
    if (!((self->uses += ONE_CALL) & CLOSED)) return 1;
    region_end(self);
    return 0;
}

/* The handle, which stays valid until end(); null with an exception if the region is closed. */
static inline ZincHandle region_begin(Region *self) {
    if (region_begin_if_open(self)) return self->handle;
    PyErr_Format(PyExc_ValueError, "region %R is closed", self->name);
    return NULL;
}

static inline PyObject *region_ended(Region *self, PyObject *result) {
    region_end(self);
    return result;
}

/* What wait.c has for the type's tables. */
PyObject *region_notify(Region *self, PyObject *unused);
PyObject *region_try_wait(Region *self, PyObject *unused);
PyObject *region_wait(Region *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *region_sequence(Region *self, void *unused);
PyObject *region_seen(Region *self, void *unused);
extern const char region_notify_doc[], region_try_wait_doc[], region_wait_doc[];

#endif
