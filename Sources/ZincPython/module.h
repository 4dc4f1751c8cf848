/* What the files of the extension share. */
#ifndef ZINC_MODULE_H
#define ZINC_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "zinc.h"

typedef struct {
    PyObject *region_type;
    PyObject *not_a_region_error;
} ModuleState;

/* SharedRegion; its instances come from the two functions below alone. */
extern PyType_Spec zinc_region_spec;

/* create(type, name, capacity, flags, mode), flags as in zinc.h. */
PyObject *zinc_region_new(PyObject *module, PyObject *args);

/* open(type, name, flags). */
PyObject *zinc_region_attach(PyObject *module, PyObject *args);

/*
 * Raises what a failing create, open or unlink left behind: ValueError for what
 * the caller passed, the subclass of OSError that goes with the errno for the
 * rest. Returns NULL.
 */
PyObject *zinc_raise(ModuleState *state, int32_t status);

#endif
