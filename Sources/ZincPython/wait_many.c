/*
 * Waiting for many regions at once, and for readers of channels. A region is ready when its object has
 * not seen its last notification; a reader as long as there is a message that it has not received.
 */
#include "channel.h"

#include <errno.h>

static int is_region(ModuleState *state, PyObject *one) {
    return PyObject_TypeCheck(one, (PyTypeObject *)state->region_type);
}

/* Begins a use of a region or a reader: its handle, or NULL with an exception. */
static ZincHandle begin(ModuleState *state, PyObject *one, int for_all) {
    if (is_region(state, one)) return region_begin((Region *)one);
    if (for_all || !PyObject_TypeCheck(one, (PyTypeObject *)state->channel_reader_type)) {
        PyErr_Format(PyExc_TypeError, "a SharedRegion%s is needed, not %R",
                     for_all ? "" : " or a ChannelReader", one);
        return NULL;
    }
    End *reader = (End *)one;
    return end_begin(reader, "wait for") ? reader->region->handle : NULL;
}

static void end_all(ModuleState *state, ZincWaitItem *items, PyObject *regions, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *one = PyTuple_GetItem(regions, i);
        if (is_region(state, one))
            region_end((Region *)one);
        else
            end_release((End *)one);
    }
    PyMem_Free(items);
}

/*
 * Begins a call on each of a tuple: an item for each, with its number of the tuple `after` unless that
 * is empty. To be ended by end_all(). NULL with an exception.
 */
static ZincWaitItem *begin_all(ModuleState *state, PyObject *regions, int for_all, PyObject *after) {
    Py_ssize_t count = PyTuple_Size(regions);
    Py_ssize_t numbers = PyTuple_Size(after);
    if (count == 0) {
        PyErr_SetString(PyExc_ValueError, "there is no region to wait for");
        return NULL;
    }
    ZincWaitItem *items = PyMem_Calloc((size_t)count, sizeof *items);
    if (!items) return (ZincWaitItem *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *one = PyTuple_GetItem(regions, i);
        if (i >= numbers || zinc_convert_after(PyTuple_GetItem(after, i), &items[i].after))
            items[i].handle = begin(state, one, for_all);
        if (!items[i].handle) {
            end_all(state, items, regions, i);
            return NULL;
        }
    }
    return items;
}

static int has_readers(ModuleState *state, PyObject *regions) {
    for (Py_ssize_t i = 0; i < PyTuple_Size(regions); i++)
        if (!is_region(state, PyTuple_GetItem(regions, i))) return 1;
    return 0;
}

/* Marks the readers that have a message, whatever news there were for them. Is any ready, or closed? */
static int mark_readers(ModuleState *state, PyObject *regions, ZincWaitItem *items) {
    int is_any = 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(regions); i++) {
        PyObject *one = PyTuple_GetItem(regions, i);
        if (is_region(state, one)) continue;
        End *reader = (End *)one;
        items[i].is_new = reader_lag(reader) > 0;
        if (items[i].is_new || (reader->uses & CLOSED)) is_any = 1;
    }
    return is_any;
}

static int is_closed(ModuleState *state, PyObject *regions) {
    int is_any = 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(regions); i++) {
        PyObject *one = PyTuple_GetItem(regions, i);
        if (!is_region(state, one) && (((End *)one)->uses & CLOSED)) is_any = 1;
    }
    return is_any;
}

/* The regions of a tuple that have something new, or NULL with an exception. */
static PyObject *new_ones(PyObject *regions, const ZincWaitItem *items) {
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; result && i < PyTuple_Size(regions); i++)
        if (items[i].is_new && PyList_Append(result, PyTuple_GetItem(regions, i)) < 0) Py_CLEAR(result);
    return result;
}

/* Waits once, through signals whose handlers return; -EINTR with an exception. */
static int32_t sleep_once(ZincWaitItem *items, Py_ssize_t count, const ZincWaitOptions *options,
                          int for_all) {
    int32_t status;
    do {
        Py_BEGIN_ALLOW_THREADS status = for_all ? zinc_wait_all(items, (uintptr_t)count, options)
                                                : zinc_wait_any(items, (uintptr_t)count, options);
        Py_END_ALLOW_THREADS if (status == -EINTR && PyErr_CheckSignals() < 0) break;
    } while (status == -EINTR);
    return status;
}

static PyObject *wait_many(ModuleState *state, PyObject *regions, PyObject *timeout, int for_all,
                           PyObject *after) {
    ZincWaitOptions options = {.size = sizeof options, .flags = ZINC_WAIT_INTERRUPTIBLE};
    if (PyTuple_Size(after) > 0) options.flags |= ZINC_WAIT_AFTER;
    uint64_t deadline;
    if (!zinc_convert_timeout(timeout, &deadline)) return NULL;
    ZincWaitItem *items = begin_all(state, regions, for_all, after);
    if (!items) return NULL;
    Py_ssize_t count = PyTuple_Size(regions);
    int with_readers = has_readers(state, regions);
    int32_t status;
    int is_ready;
    do {
        is_ready = with_readers && mark_readers(state, regions, items);
        options.deadline_ns = is_ready ? 0 : deadline;
        status = sleep_once(items, count, &options, for_all);
        if (status == -ECANCELED || status == -EINTR || !with_readers) break;
        is_ready = mark_readers(state, regions, items) || is_ready;
        for (Py_ssize_t i = 0; i < count; i++) is_ready |= items[i].is_new != 0;
        /* Not so if all the news were of readers, and there is no message for them. */
    } while (!is_ready && status == 0);
    PyObject *result = NULL;
    if (status == -ECANCELED || (status != -EINTR && with_readers && is_closed(state, regions)))
        PyErr_SetString(PyExc_ValueError, "one of the regions was closed during the wait");
    else if (status != -EINTR)
        result = new_ones(regions, items);
    end_all(state, items, regions, count);
    return result;
}

PyObject *zinc_module_wait_many(PyObject *module, PyObject *args) {
    PyObject *sequence, *timeout, *after;
    int for_all;
    if (!PyArg_ParseTuple(args, "OOpO!:wait_many", &sequence, &timeout, &for_all, &PyTuple_Type, &after))
        return NULL;
    PyObject *regions = PySequence_Tuple(sequence);
    if (!regions) return NULL;
    PyObject *result = wait_many(PyModule_GetState(module), regions, timeout, for_all, after);
    Py_DECREF(regions);
    return result;
}
