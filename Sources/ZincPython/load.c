/* How objects are read where they are. Others may have written anything there. */
#include "object.h"

#include <string.h>

enum { SMALL_STREAM = 1024 };

static uint64_t number_at(const char *at) {
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static PyObject *refuse(unsigned long long message, Py_ssize_t length) {
    if (message)
        PyErr_Format(PyExc_ValueError, "message %llu is no object, but %zd bytes: use recv(), and .data",
                     message, length);
    else
        PyErr_Format(PyExc_ValueError, "no object, but %zd bytes", length);
    return NULL;
}

static PyObject *damaged(unsigned long long message) {
    if (message)
        PyErr_Format(PyExc_ValueError, "message %llu is damaged: its sizes are not those of an object",
                     message);
    else
        PyErr_SetString(PyExc_ValueError, "damaged: its sizes are not those of an object");
    return NULL;
}

/* What is in its place in the pickle: a part of the memory, read-only, or a copy of it. */
static PyObject *buffer(PyObject *base, const char *bytes, uint64_t start, uint64_t size, int copy) {
    if (copy == IN_PLACE) return PySequence_GetSlice(base, (Py_ssize_t)start, (Py_ssize_t)(start + size));
    PyObject *copied = copy == PRIVATE ? PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)size)
                                       : PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (!copied) return NULL;
    char *to = copy == PRIVATE ? PyByteArray_AsString(copied) : PyBytes_AsString(copied);
    object_copy(to, bytes + start, size);
    return copied;
}

/* A list of the buffers, or NULL with an exception; `end` is of the stream. */
static PyObject *buffers(PyObject *slot, const Py_buffer *view, uint64_t end, uint64_t count, int copy,
                         PyObject *taken, unsigned long long message) {
    const char *bytes = view->buf;
    PyObject *base = PyMemoryView_FromObject(slot);
    if (base && !view->readonly) {
        PyObject *writable = base;
        base = PyObject_CallMethod(writable, "toreadonly", NULL);
        Py_DECREF(writable);
    }
    PyObject *result = base ? PyList_New(0) : NULL;
    for (uint64_t i = 0; result && i < count; i++) {
        uint64_t size = number_at(bytes + OBJECT_HEAD + 8 * i), start = aligned(end);
        PyObject *one;
        if (size == TICKET) {
            one = taken != Py_None ? Py_NewRef(taken) : PyBytes_FromStringAndSize(NULL, 0);
        } else if (start > (uint64_t)view->len || size > (uint64_t)view->len - start) {
            one = damaged(message);
        } else {
            one = buffer(base, bytes, start, size, copy);
            end = start + size;
        }
        if (!one || PyList_Append(result, one) < 0) Py_CLEAR(result);
        Py_XDECREF(one);
    }
    Py_XDECREF(base);
    return result;
}

/* Unpickles what is at `view`, which is of `slot`. */
static PyObject *unpickle(ModuleState *state, PyObject *slot, const Py_buffer *view, int copy,
                          PyObject *taken, unsigned long long message) {
    char *bytes = view->buf;
    uint64_t length = (uint64_t)view->len, stream = number_at(bytes + 8), count = number_at(bytes + 16);
    if (count > (length - OBJECT_HEAD) / 8 || stream > length - OBJECT_HEAD - 8 * count)
        return damaged(message);
    uint64_t start = OBJECT_HEAD + 8 * count;
    PyObject *loads = object_helper(&state->loads, "pickle", "loads");
    /* A view of little takes longer to make than a copy. */
    PyObject *pickled = NULL;
    if (loads && stream <= SMALL_STREAM)
        pickled = PyBytes_FromStringAndSize(bytes + start, (Py_ssize_t)stream);
    else if (loads)
        pickled = PyMemoryView_FromMemory(bytes + start, (Py_ssize_t)stream, PyBUF_READ);
    PyObject *result = NULL;
    if (pickled && count == 0) {
        result = PyObject_CallFunctionObjArgs(loads, pickled, NULL);
    } else if (pickled) {
        PyObject *list = buffers(slot, view, start + stream, count, copy, taken, message);
        PyObject *named = list ? Py_BuildValue("{s:O}", "buffers", list) : NULL;
        PyObject *args = named ? PyTuple_Pack(1, pickled) : NULL;
        if (args) result = PyObject_Call(loads, args, named);
        Py_XDECREF(args);
        Py_XDECREF(named);
        Py_XDECREF(list);
    }
    Py_XDECREF(pickled);
    return result;
}

static PyObject *load(ModuleState *state, PyObject *slot, int copy, PyObject *taken,
                      unsigned long long message, int may_be_record) {
    Py_buffer view;
    if (PyObject_GetBuffer(slot, &view, PyBUF_ND) < 0) return NULL;
    PyObject *result = NULL, *region = NULL;
    if (view.ndim != 1 || view.itemsize != 1) {
        PyErr_SetString(PyExc_TypeError, "an object is read from bytes: use memoryview.cast('B')");
    } else if (view.len < OBJECT_HEAD ||
               (memcmp(view.buf, MAGIC, 8) != 0 && memcmp(view.buf, RECORD, 8) != 0)) {
        refuse(message, view.len);
    } else if (memcmp(view.buf, MAGIC, 8) == 0) {
        result = unpickle(state, slot, &view, copy, taken, message);
    } else if (!may_be_record) {
        damaged(message);
    } else {
        PyObject *attach = object_helper(&state->attach, "zinc._objects", "attached");
        const char *bytes = view.buf;
        if (attach)
            region = PyObject_CallFunction(attach, "y#KKO", bytes + OBJECT_HEAD, view.len - OBJECT_HEAD,
                                           (unsigned long long)number_at(bytes + 8),
                                           (unsigned long long)number_at(bytes + 16), taken);
    }
    PyBuffer_Release(&view);
    if (region) {
        result = load(state, region, IN_PLACE, taken, message, 0);
        Py_DECREF(region);
    }
    return result;
}

PyObject *object_load(ModuleState *state, PyObject *slot, int copy, PyObject *taken,
                      unsigned long long number) {
    return load(state, slot, copy, taken, number, 1);
}

PyObject *zinc_module_load(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    if (count != 3) return PyErr_Format(PyExc_TypeError, "load() takes 3 arguments (%zd given)", count);
    int copy = (int)PyLong_AsLong(args[1]);
    if (copy < 0 && PyErr_Occurred()) return NULL;
    return object_load(PyModule_GetState(module), args[0], copy, args[2], 0);
}
