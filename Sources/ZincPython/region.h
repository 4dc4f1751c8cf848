/* SharedRegion's object, and how its handle lasts while it is in use. */
#ifndef ZINCPYTHON_REGION_H
#define ZINCPYTHON_REGION_H

#include "module.h"

/*
 * A region's handle outlives close() for as long as something needs the memory: a call in
 * progress, which may have dropped the GIL, or an export, which is what views hold. The last
 * of the open object, the calls and the exports frees it.
 */
enum { CLOSED = 1, ONE_USE = 2 };

/* The kind of a region that is an object: OBJECT of python/zinc/_objects.py. */
enum { OBJECT_KIND = 9 };

typedef struct {
    PyObject_HEAD SHARED ZincHandle handle; /* null once freed */
    PyObject *SHARED name;
    PyTypeObject *export_type;
    void *SHARED spare_export; /* memory for the next one, or null */
    Py_ssize_t capacity;
    unsigned long long id;
    unsigned kind;
    SHARED size_t uses; /* CLOSED, and ONE_USE for each call in progress and each export */
    SHARED char keeps;  /* the memory, to the object's own end; see region_getbuffer() */
    char is_readonly;
    char is_created;
} Region;

/* Is `type` one that region_attached can make? 0 with an exception if not. */
int region_check_type(PyObject *module, PyObject *type);

/* The object for a handle, or the exception for a status: the end of all the ways to attach. */
PyObject *region_attached(PyObject *module, PyObject *type, PyObject *name, ZincHandle handle,
                          int32_t status);

/* Closes, unmaps and frees what the handle has, if it was not done. */
void region_free(Region *self);

/* What close() does. */
void region_detach(Region *self);

/* Ends a use: the last one of a closed region frees what nobody needs. */
static inline void region_end(Region *self) {
    if ((self->uses -= ONE_USE) == CLOSED && !self->keeps) region_free(self);
}

/* Begins a call, unless the region is closed: then 0. */
static inline int region_begin_if_open(Region *self) {
    if (!((self->uses += ONE_USE) & CLOSED)) return 1;
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

/*
 * Fills a view with an object that holds the memory, as PyBUF_FULL_RO asks for it. A call has
 * begun and is ended with that object. 0, or -1 with an exception.
 */
int region_export(Region *region, Py_buffer *view);

/* What wait.c has for the type's tables. */
PyObject *region_notify(Region *self, PyObject *unused);
PyObject *region_try_wait(Region *self, PyObject *unused);
PyObject *region_wait(Region *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *region_sequence(Region *self, void *unused);
PyObject *region_seen(Region *self, void *unused);
PyObject *region_alone(Region *self, void *unused);
PyObject *region_event_fd(Region *self, PyObject *unused);
extern const char region_notify_doc[], region_try_wait_doc[], region_wait_doc[], region_event_fd_doc[];

/* What memory.c has for them. */
PyObject *region_used(Region *self, void *unused);
PyObject *region_trim(Region *self, PyObject *args, PyObject *keywords);
extern const char region_trim_doc[];

#endif
