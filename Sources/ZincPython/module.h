/* What the files of the extension share. */
#ifndef ZINCPYTHON_MODULE_H
#define ZINCPYTHON_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "zinc.h"

#ifdef Py_GIL_DISABLED
#include <stdatomic.h>
#define SHARED _Atomic /* threads meet in these fields */
#define EXCHANGE(field, value) atomic_exchange(&(field), value)
#else
#define SHARED
#define EXCHANGE(field, value) exchange(&(field), value)
static inline void *exchange(void *field, void *value) {
    void *old = *(void **)field;
    *(void **)field = value;
    return old;
}
#endif

typedef struct {
    PyObject *region_type;
    PyObject *export_type;
    PyObject *not_a_region_error;
    PyObject *lock_type;
    PyObject *recovery_type;
    PyObject *owner_died_error;
    PyObject *channel_reader_type;
    PyObject *worker_type;
    PyObject *message_type;
    PyObject *loan_type;
    PyObject *slot_type;
    PyObject *view_limit_error;
    PyObject *full_error;
    PyObject *array_type; /* numpy.ndarray, once there are arrays; see array.c */
    binaryfunc array_subscript;
    PyObject *base_name; /* "base" */
    PyObject *parts_type;
    PyObject *later_type;
    void *SHARED collector; /* Parts that are used again and again; see dump.c */
    /* Of other modules, once there are objects. */
    PyObject *SHARED pickler_type, *SHARED loads, *SHARED copyreg_table, *SHARED kinds;
    PyObject *SHARED make_table, *SHARED attach, *SHARED give_back;
} ModuleState;

/* Of one of the extension's types, or of a class that has one as its base; NULL if it has none. */
ModuleState *module_state_of(PyTypeObject *type);

/* SharedRegion; its instances come from the first four functions below alone. */
extern PyType_Spec zinc_region_spec;

/* What views of regions hold; see export.c. */
extern PyType_Spec zinc_export_spec;

/* Lock, and what its recover() returns. */
extern PyType_Spec zinc_lock_spec, zinc_recovery_spec;

/* The module's functions; module_methods has their arguments. Flags are those of zinc.h. */
PyObject *zinc_module_create(PyObject *module, PyObject *args);
PyObject *zinc_module_create_object(PyObject *module, PyObject *args);
PyObject *zinc_module_rename(PyObject *module, PyObject *args);
PyObject *zinc_module_anonymous(PyObject *module, PyObject *args);
PyObject *zinc_module_open(PyObject *module, PyObject *args);
PyObject *zinc_module_open_kind(PyObject *module, PyObject *args);
PyObject *zinc_module_from_fd(PyObject *module, PyObject *args);
PyObject *zinc_module_shortfall(PyObject *module, PyObject *args);
PyObject *zinc_module_unlink(PyObject *module, PyObject *args);
PyObject *zinc_module_reclaim(PyObject *module, PyObject *unused);
PyObject *zinc_module_place(PyObject *module, PyObject *unused);
PyObject *zinc_module_names(PyObject *module, PyObject *unused);
PyObject *zinc_module_examine(PyObject *module, PyObject *args);
PyObject *zinc_module_seats(PyObject *module, PyObject *args);
PyObject *zinc_module_examine_seats(PyObject *module, PyObject *args);
PyObject *zinc_module_examine_lock(PyObject *module, PyObject *args);
PyObject *zinc_module_store_create(PyObject *module, PyObject *args);
PyObject *zinc_module_store_begin(PyObject *module, PyObject *args);
PyObject *zinc_module_store_seal(PyObject *module, PyObject *args);
PyObject *zinc_module_store_get(PyObject *module, PyObject *args);
PyObject *zinc_module_store_remove(PyObject *module, PyObject *args);
PyObject *zinc_module_store_pin(PyObject *module, PyObject *args);
PyObject *zinc_module_store_evict(PyObject *module, PyObject *args);
PyObject *zinc_module_store_find(PyObject *module, PyObject *args);
PyObject *zinc_module_store_list(PyObject *module, PyObject *args);
PyObject *zinc_module_store_examine(PyObject *module, PyObject *args);
PyObject *zinc_module_store_events(PyObject *module, PyObject *args);
PyObject *zinc_module_wait_many(PyObject *module, PyObject *args);
PyObject *zinc_module_array_type(PyObject *module, PyObject *numpys);

/* ---- arguments: 0 or NULL with an exception for what can't be ---- */

/* The name as UTF-8. */
const char *zinc_name_argument(PyObject *name);

/*
 * For PyArg_ParseTuple. A number that doesn't fit becomes one that no region can have, 0 for
 * those too small and the largest for those too large; the core says what is wrong.
 */
int zinc_convert_capacity(PyObject *number, void *capacity);

/* A number from 0; what is larger than any region becomes the largest. ValueError if negative. */
int zinc_convert_size(PyObject *number, uintptr_t *size);

/* As a capacity; too small and too large are both UINT32_MAX, which is no mode. */
int zinc_convert_mode(PyObject *number, void *mode);
/* A group's number, and its flag, into ZincOptions; None leaves both alone. */
int zinc_convert_group(PyObject *number, void *options);

/* Milliseconds from now, or None for ever, as a deadline for zinc_region_wait. */
int zinc_convert_timeout(PyObject *timeout, uint64_t *deadline);

/* For PyArg_ParseTuple: what a region's data is. */
int zinc_convert_kind(PyObject *number, void *kind);

/* For PyArg_ParseTuple: of permits or parties. One that doesn't fit is one that can't be. */
int zinc_convert_count(PyObject *number, void *count);

/* A sequence for wait's `after`. */
int zinc_convert_after(PyObject *number, uint32_t *after);

/*
 * Raises what a failing create, open or unlink left behind: ValueError for what
 * the caller passed, the subclass of OSError that goes with the errno for the
 * rest. Returns NULL.
 */
PyObject *zinc_raise(ModuleState *state, int32_t status);

#endif
