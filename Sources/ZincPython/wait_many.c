/* Waiting for many regions at once. */
#include "region.h"

#include <errno.h>

static void end_all(ZincWaitItem *items, PyObject *regions, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) region_end((Region *)PyTuple_GetItem(regions, i));
    PyMem_Free(items);
}

/*
 * Begins a call on each region of a tuple: an item for each, with its number of the tuple
 * `after` unless that is empty. To be ended by end_all(). NULL with an exception.
 */
static ZincWaitItem *begin_all(PyObject *module, PyObject *regions, PyObject *after) {
    ModuleState *state = PyModule_GetState(module);
    Py_ssize_t count = PyTuple_Size(regions);
    Py_ssize_t numbers = PyTuple_Size(after);
    if (count == 0) {
        PyErr_SetString(PyExc_ValueError, "there is no region to wait for");
        return NULL;
    }
    ZincWaitItem *items = PyMem_Calloc((size_t)count, sizeof *items);
    if (!items) return (ZincWaitItem *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *region = PyTuple_GetItem(regions, i);
        if (!PyObject_TypeCheck(region, (PyTypeObject *)state->region_type))
            PyErr_Format(PyExc_TypeError, "a SharedRegion is needed, not %R", region);
        else if (i >= numbers || zinc_convert_after(PyTuple_GetItem(after, i), &items[i].after))
            items[i].handle = region_begin((Region *)region);
        if (!items[i].handle) {
            end_all(items, regions, i);
            return NULL;
        }
    }
    return items;
}

/* The regions of a tuple that have something new, or NULL with an exception. */
static PyObject *new_ones(PyObject *regions, const ZincWaitItem *items) {
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; result && i < PyTuple_Size(regions); i++)
        if (items[i].is_new && PyList_Append(result, PyTuple_GetItem(regions, i)) < 0) Py_CLEAR(result);
    return result;
}

static PyObject *wait_many(PyObject *module, PyObject *regions, PyObject *timeout, int for_all,
                           PyObject *after) {
    ZincWaitOptions options = {.size = sizeof options, .flags = ZINC_WAIT_INTERRUPTIBLE};
    if (PyTuple_Size(after) > 0) options.flags |= ZINC_WAIT_AFTER;
    if (!zinc_convert_timeout(timeout, &options.deadline_ns)) return NULL;
    ZincWaitItem *items = begin_all(module, regions, after);
    if (!items) return NULL;
    Py_ssize_t count = PyTuple_Size(regions);
    int32_t status;
    int is_interrupted = 0;
    do {
        Py_BEGIN_ALLOW_THREADS status = for_all ? zinc_wait_all(items, (uintptr_t)count, &options)
                                                : zinc_wait_any(items, (uintptr_t)count, &options);
        Py_END_ALLOW_THREADS if (status == -EINTR) is_interrupted = PyErr_CheckSignals() < 0;
    } while (status == -EINTR && !is_interrupted);
    PyObject *result = NULL;
    if (status == -ECANCELED)
        PyErr_SetString(PyExc_ValueError, "one of the regions was closed during the wait");
    else if (!is_interrupted)
        result = new_ones(regions, items);
    end_all(items, regions, count);
    return result;
}

PyObject *zinc_module_wait_many(PyObject *module, PyObject *args) {
    PyObject *sequence, *timeout, *after;
    int for_all;
    if (!PyArg_ParseTuple(args, "OOpO!:wait_many", &sequence, &timeout, &for_all, &PyTuple_Type, &after))
        return NULL;
    PyObject *regions = PySequence_Tuple(sequence);
    if (!regions) return NULL;
    PyObject *result = wait_many(module, regions, timeout, for_all, after);
    Py_DECREF(regions);
    return result;
}
