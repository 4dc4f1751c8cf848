/*
 * Waiting for many regions at once, for readers of channels, and for queues. A region is ready when its
 * object has not seen its last notification; a reader as long as there is a message that it has not
 * received; a queue as long as there is one for whoever comes, or it is over.
 */
#include "channel.h"

#include <errno.h>

/* How often a killed worker's messages are looked for: ns. Nobody tells of them. */
#define LOOK_FOR_THE_DEAD 20000000u

static int is_region(ModuleState *state, PyObject *one) {
    return PyObject_TypeCheck(one, (PyTypeObject *)state->region_type);
}

static int is_worker(ModuleState *state, PyObject *one) {
    return PyObject_TypeCheck(one, (PyTypeObject *)state->worker_type);
}

/* What is waited for: what works for a queue in its place, all else as it is. NULL with an exception. */
static PyObject *waited_for(ModuleState *state, PyObject *one, int for_all) {
    if (is_region(state, one)) return Py_NewRef(one);
    if (!for_all && PyObject_TypeCheck(one, (PyTypeObject *)state->channel_reader_type))
        return Py_NewRef(one);
    PyObject *worker = for_all ? NULL : PyObject_CallMethod(one, "_worker", NULL);
    if (worker && is_worker(state, worker)) return worker;
    if (!worker && PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_AttributeError)) return NULL;
    Py_XDECREF(worker);
    PyErr_Format(PyExc_TypeError, "a SharedRegion%s is needed, not %R",
                 for_all ? "" : ", a ChannelReader or a Queue", one);
    return NULL;
}

/* The same of each of a tuple. */
static PyObject *all_waited_for(ModuleState *state, PyObject *regions, int for_all) {
    PyObject *result = PyTuple_New(PyTuple_Size(regions));
    for (Py_ssize_t i = 0; result && i < PyTuple_Size(regions); i++) {
        PyObject *one = waited_for(state, PyTuple_GetItem(regions, i), for_all);
        if (!one || PyTuple_SetItem(result, i, one) < 0) Py_CLEAR(result);
    }
    return result;
}

/* Begins a use of a region, or of what receives: its handle, or NULL with an exception. */
static ZincHandle begin(ModuleState *state, PyObject *one) {
    if (is_region(state, one)) return region_begin((Region *)one);
    End *end = (End *)one;
    return end_begin(end, "wait for") ? end->region->handle : NULL;
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
static ZincWaitItem *begin_all(ModuleState *state, PyObject *regions, PyObject *after) {
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
            items[i].handle = begin(state, one);
        if (!items[i].handle) {
            end_all(state, items, regions, i);
            return NULL;
        }
    }
    return items;
}

/* 0 if all are regions, 1 if some receive, 2 if some of these work for a queue. */
static int has_ends(ModuleState *state, PyObject *regions) {
    int has = 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(regions); i++) {
        PyObject *one = PyTuple_GetItem(regions, i);
        if (is_worker(state, one))
            has = 2;
        else if (has == 0 && !is_region(state, one))
            has = 1;
    }
    return has;
}

/* Is there something to receive, or to be told? Looks for what the dead have left, too. */
static int is_ready(ModuleState *state, PyObject *one) {
    End *end = (End *)one;
    if (!is_worker(state, one)) return reader_lag(end) > 0;
    ZincWaitOptions look = {.size = sizeof look};
    return zinc_worker_wait(end->core, &look) != -ETIMEDOUT;
}

/*
 * Marks those that may receive, whatever news there were for them. Is any ready, or closed? What comes
 * after the look is another sequence than before it, whoever else sees that.
 */
static int mark_ends(ModuleState *state, PyObject *regions, ZincWaitItem *items) {
    int is_any = 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(regions); i++) {
        PyObject *one = PyTuple_GetItem(regions, i);
        if (is_region(state, one)) continue;
        items[i].after = zinc_region_sequence(items[i].handle);
        (void)zinc_try_wait(items[i].handle);
        items[i].is_new = is_ready(state, one);
        if (items[i].is_new || (((End *)one)->uses & CLOSED)) is_any = 1;
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

/* What the regions have seen, unless it was said. */
static void take_seen(ModuleState *state, PyObject *regions, ZincWaitItem *items) {
    for (Py_ssize_t i = 0; i < PyTuple_Size(regions); i++)
        if (is_region(state, PyTuple_GetItem(regions, i))) items[i].after = zinc_region_seen(items[i].handle);
}

/* Marks the regions that have news, which they have seen now. Is any ready? */
static int see(ModuleState *state, PyObject *regions, ZincWaitItem *items) {
    int is_any = 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(regions); i++) {
        if (!is_region(state, PyTuple_GetItem(regions, i))) continue;
        items[i].is_new = zinc_region_sequence(items[i].handle) != items[i].after;
        if (items[i].is_new) (void)zinc_try_wait(items[i].handle);
        is_any |= items[i].is_new != 0;
    }
    return is_any;
}

/* As sleep_once(), with some that receive: whether all is as it was, says a look at each. */
static int32_t wait_with_ends(ModuleState *state, PyObject *regions, ZincWaitItem *items, uint64_t deadline,
                              int has_workers) {
    ZincWaitOptions options = {.size = sizeof options, .flags = ZINC_WAIT_INTERRUPTIBLE | ZINC_WAIT_AFTER};
    int is_over = deadline == 0;
    take_seen(state, regions, items);
    while (1) {
        int is_any = mark_ends(state, regions, items);
        is_any |= see(state, regions, items);
        if (is_any || is_over) return is_any ? 0 : -ETIMEDOUT;
        options.deadline_ns = has_workers ? earlier(deadline, LOOK_FOR_THE_DEAD) : deadline;
        int32_t status = sleep_once(items, PyTuple_Size(regions), &options, 0);
        if (status == -ECANCELED || status == -EINTR) return status;
        is_over = status == -ETIMEDOUT && options.deadline_ns == deadline;
    }
}

static PyObject *wait_many(ModuleState *state, PyObject *regions, PyObject *timeout, int for_all,
                           PyObject *after) {
    uint64_t deadline;
    if (!zinc_convert_timeout(timeout, &deadline)) return NULL;
    PyObject *waited = all_waited_for(state, regions, for_all);
    ZincWaitItem *items = waited ? begin_all(state, waited, after) : NULL;
    if (!items) {
        Py_XDECREF(waited);
        return NULL;
    }
    Py_ssize_t count = PyTuple_Size(regions);
    int ends = has_ends(state, waited);
    int32_t status;
    if (ends) {
        status = wait_with_ends(state, waited, items, deadline, ends == 2);
    } else {
        ZincWaitOptions options = {
            .size = sizeof options, .deadline_ns = deadline, .flags = ZINC_WAIT_INTERRUPTIBLE};
        if (PyTuple_Size(after) > 0) options.flags |= ZINC_WAIT_AFTER;
        status = sleep_once(items, count, &options, for_all);
    }
    PyObject *result = NULL;
    if (status == -ECANCELED || (status != -EINTR && is_closed(state, waited)))
        PyErr_SetString(PyExc_ValueError, "one of the regions was closed during the wait");
    else if (status != -EINTR)
        result = new_ones(regions, items);
    end_all(state, items, waited, count);
    Py_DECREF(waited);
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
