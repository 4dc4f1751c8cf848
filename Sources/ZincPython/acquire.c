/* The arguments of acquire() and wait(), as threading and multiprocessing have them. */
#include "primitive.h"

enum { BLOCKING, TIMEOUT, TIMEOUT_MS, BLOCK, ARGUMENTS };

/* Puts acquire's arguments, by position or name, into `values`; what is not given stays NULL. */
static int parse(PyObject *const *args, Py_ssize_t count, PyObject *keywords, PyObject *values[ARGUMENTS]) {
    static const char *const names[ARGUMENTS] = {"blocking", "timeout", "timeout_ms", "block"};
    if (count > 2) {
        PyErr_Format(PyExc_TypeError, "acquire() takes at most 2 positional arguments (%zd given)", count);
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) values[i] = args[i];
    Py_ssize_t named = keywords ? PyTuple_Size(keywords) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *keyword = PyTuple_GetItem(keywords, i);
        int which = 0;
        while (which < ARGUMENTS && PyUnicode_CompareWithASCIIString(keyword, names[which]) != 0) which++;
        if (which == ARGUMENTS || values[which]) {
            PyErr_Format(PyExc_TypeError, "acquire() got %s argument %R",
                         which == ARGUMENTS ? "an unexpected" : "two values for the", keyword);
            return 0;
        }
        values[which] = args[count + i];
    }
    return 1;
}

/*
 * Seconds, of which a lock of threading's has -1 for ever, and no others below 0. All else has a time
 * that is over already for them: programs give what is left of one.
 */
static int convert_seconds(PyObject *timeout, int is_lock, uint64_t *deadline) {
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) return 0;
    if (is_lock && seconds == -1.0) return 1;
    if (!is_lock && seconds < 0) seconds = 0;
    if (!(seconds >= 0)) {
        PyErr_Format(PyExc_ValueError, "timeout must be %s, not %R",
                     is_lock ? "-1 or None, for ever, or at least 0" : "seconds, or None for ever", timeout);
        return 0;
    }
    PyObject *milliseconds = PyFloat_FromDouble(seconds * 1000);
    int is_valid = milliseconds && zinc_convert_timeout(milliseconds, deadline);
    Py_XDECREF(milliseconds);
    return is_valid;
}

static int convert_all(PyObject *values[ARGUMENTS], int is_lock, uint64_t *deadline) {
    PyObject *blocking = values[BLOCKING];
    if (values[BLOCK]) {
        if (blocking) {
            PyErr_SetString(PyExc_TypeError, "acquire() got blocking and block, which are one");
            return 0;
        }
        blocking = values[BLOCK];
    }
    int blocks = blocking ? PyObject_IsTrue(blocking) : 1;
    if (blocks < 0) return 0;
    PyObject *timeout = values[TIMEOUT] == Py_None ? NULL : values[TIMEOUT];
    PyObject *timeout_ms = values[TIMEOUT_MS] == Py_None ? NULL : values[TIMEOUT_MS];
    *deadline = ZINC_FOREVER;
    if (timeout && !convert_seconds(timeout, is_lock, deadline)) return 0;
    if (timeout_ms && *deadline != ZINC_FOREVER) {
        PyErr_SetString(PyExc_ValueError, "timeout, in seconds, or timeout_ms: give one of them");
        return 0;
    }
    if (timeout_ms && !zinc_convert_timeout(timeout_ms, deadline)) return 0;
    if (blocks) return 1;
    if (timeout_ms || *deadline != ZINC_FOREVER) {
        PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
        return 0;
    }
    *deadline = 0;
    return 1;
}

int acquire_deadline(PyObject *const *args, Py_ssize_t count, PyObject *keywords, int is_lock,
                     uint64_t *deadline) {
    *deadline = ZINC_FOREVER;
    if (!count && !keywords) return 1;
    PyObject *values[ARGUMENTS] = {NULL, NULL, NULL, NULL};
    return parse(args, count, keywords, values) && convert_all(values, is_lock, deadline);
}

int wait_deadline(PyObject *timeout, PyObject *timeout_ms, uint64_t *deadline) {
    PyObject *values[ARGUMENTS] = {[TIMEOUT] = timeout, [TIMEOUT_MS] = timeout_ms};
    return convert_all(values, 0, deadline);
}
