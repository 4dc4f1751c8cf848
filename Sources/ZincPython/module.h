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

/* SharedRegion; its instances come from the first four functions below alone. */
extern PyType_Spec zinc_region_spec;

/* The module's functions; zinc_module_methods has their arguments. Flags are those of zinc.h. */
PyObject *zinc_module_create(PyObject *module, PyObject *args);
PyObject *zinc_module_anonymous(PyObject *module, PyObject *args);
PyObject *zinc_module_open(PyObject *module, PyObject *args);
PyObject *zinc_module_from_fd(PyObject *module, PyObject *args);
PyObject *zinc_module_unlink(PyObject *module, PyObject *args);
PyObject *zinc_module_reclaim(PyObject *module, PyObject *unused);
PyObject *zinc_module_names(PyObject *module, PyObject *unused);
PyObject *zinc_module_examine(PyObject *module, PyObject *args);
PyObject *zinc_module_wait_many(PyObject *module, PyObject *args);

/*
 * Raises what a failing create, open or unlink left behind: ValueError for what
 * the caller passed, the subclass of OSError that goes with the errno for the
 * rest. Returns NULL.
 */
PyObject *zinc_raise(ModuleState *state, int32_t status);

#endif
