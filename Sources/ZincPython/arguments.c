/* What Python passes, as the core wants it; an exception says what is wrong with it. */
#include "module.h"

#include <string.h>
#include <time.h>

const char *zinc_name_argument(PyObject *name) {
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(name, &length);
    if (text && strlen(text) != (size_t)length) {
        PyErr_Format(PyExc_ValueError, "the name %R has a NUL in it", name);
        return NULL;
    }
    return text;
}

int zinc_convert_capacity(PyObject *number, void *capacity) {
    PyObject *index = PyNumber_Index(number);
    if (!index) return 0;
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (value == -1 && !overflow && PyErr_Occurred()) return 0;
    *(uintptr_t *)capacity = overflow > 0 ? UINTPTR_MAX : overflow < 0 || value < 0 ? 0 : (uintptr_t)value;
    return 1;
}

int zinc_convert_size(PyObject *number, uintptr_t *size) {
    if (!zinc_convert_capacity(number, size)) return 0;
    if (*size != 0) return 1;
    PyObject *zero = PyLong_FromLong(0);
    int is_zero = zero ? PyObject_RichCompareBool(number, zero, Py_EQ) : -1;
    Py_XDECREF(zero);
    if (is_zero == 0) PyErr_Format(PyExc_ValueError, "bytes are counted from 0, not %R", number);
    return is_zero > 0;
}

int zinc_convert_mode(PyObject *number, void *mode) {
    uintptr_t value;
    if (!zinc_convert_capacity(number, &value)) return 0;
    *(uint32_t *)mode = value == 0 || value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    return 1;
}

int zinc_convert_count(PyObject *number, void *count) {
    uintptr_t value;
    if (!zinc_convert_capacity(number, &value)) return 0;
    *(uint32_t *)count = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    return 1;
}

int zinc_convert_timeout(PyObject *timeout, uint64_t *deadline) {
    *deadline = ZINC_FOREVER;
    if (timeout == Py_None) return 1;
    double milliseconds = PyFloat_AsDouble(timeout);
    if (milliseconds == -1.0 && PyErr_Occurred()) return 0;
    if (!(milliseconds >= 0)) {
        PyErr_Format(PyExc_ValueError, "timeout_ms must be None or at least 0, not %R", timeout);
        return 0;
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double end = (double)now.tv_sec * 1e9 + (double)now.tv_nsec + milliseconds * 1e6;
    if (milliseconds == 0)
        *deadline = 0;
    else if (end < 9e18)
        *deadline = (uint64_t)end;
    return 1;
}

static int convert(PyObject *number, uint32_t *result, const char *name) {
    PyObject *index = PyNumber_Index(number);
    if (!index) return 0;
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    *result = (uint32_t)value;
    if (!overflow && value >= 0 && value <= UINT32_MAX) return 1;
    PyErr_Format(PyExc_ValueError, "%s must be 0 to 2**32 - 1, not %R", name, number);
    return 0;
}

int zinc_convert_after(PyObject *number, uint32_t *after) { return convert(number, after, "after"); }

int zinc_convert_kind(PyObject *number, void *kind) { return convert(number, kind, "kind"); }

int zinc_convert_group(PyObject *number, void *options) {
    ZincOptions *wanted = options;
    if (number == Py_None) return 1;
    wanted->flags |= ZINC_GROUP;
    return convert(number, &wanted->group, "group");
}
