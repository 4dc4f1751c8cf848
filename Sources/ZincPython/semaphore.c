/* Semaphores, and the readers' half of a lock for readers and writers: what several may have. */
#include "primitive.h"

#include <errno.h>

static int is_reader(Primitive *self) { return self->region->kind == ZINC_RWLOCK; }

static int32_t take(ZincHandle handle, const ZincWaitOptions *options, void *self) {
    return (is_reader(self) ? zinc_rwlock_acquire_read : zinc_semaphore_acquire)(handle, ZINC_OWN_LOCK,
                                                                                 options);
}

static PyObject *acquire_until(Primitive *self, uint64_t deadline) {
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    int32_t status = primitive_wait(handle, deadline, take, self);
    if (status < 0 && status != -ETIMEDOUT && status != -EINTR)
        primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    region_end(self->region);
    return status == 0 || status == -ETIMEDOUT ? PyBool_FromLong(status == 0) : NULL;
}

static PyObject *semaphore_acquire(Primitive *self, PyObject *const *args, Py_ssize_t count,
                                   PyObject *keywords) {
    uint64_t deadline;
    return acquire_deadline(args, count, keywords, 0, &deadline) ? acquire_until(self, deadline) : NULL;
}

static PyObject *semaphore_enter(Primitive *self, PyObject *unused) {
    (void)unused;
    return acquire_until(self, ZINC_FOREVER);
}

/* Gives one back: 0, or -1 with an exception. */
static int give(Primitive *self) {
    ZincHandle handle = region_begin(self->region);
    if (!handle) return -1;
    int32_t status =
        (is_reader(self) ? zinc_rwlock_release_read : zinc_semaphore_release)(handle, ZINC_OWN_LOCK);
    if (status == -EPERM)
        PyErr_SetString(is_reader(self) ? PyExc_RuntimeError : PyExc_ValueError, zinc_error_message());
    else if (status < 0)
        primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    region_end(self->region);
    return status < 0 ? -1 : 0;
}

static PyObject *semaphore_release(Primitive *self, PyObject *args, PyObject *keywords) {
    static char *names[] = {"n", NULL};
    Py_ssize_t number = 1;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|n:release", names, &number)) return NULL;
    if (number < 1) {
        PyErr_SetString(PyExc_ValueError, "n must be one or more");
        return NULL;
    }
    while (number-- > 0)
        if (give(self) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *reader_release(Primitive *self, PyObject *unused) {
    (void)unused;
    if (give(self) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *semaphore_exit(Primitive *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    return reader_release(self, NULL);
}

static PyObject *semaphore_value(Primitive *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    int32_t value = (is_reader(self) ? zinc_rwlock_readers : zinc_semaphore_value)(handle, ZINC_OWN_LOCK);
    if (value < 0) primitive_raise(self->region, ZINC_OWN_LOCK, handle, value);
    region_end(self->region);
    return value < 0 ? NULL : PyLong_FromLong(value);
}

/* ---- the types ---- */

PyDoc_STRVAR(acquire_doc,
             "acquire($self, blocking=True, timeout=None, *, timeout_ms=None, block=True)\n--\n\n"
             "Take a permit, and say whether that worked: False if none was free by then.\n\n"
             "The arguments, and what other threads and signal handlers may do meanwhile, are as in\n"
             "Lock.acquire(), but that a time below 0 is over already. The permits of a process that was "
             "killed come back within 20 ms.\n\n"
             "Raises ValueError for times that can't be, and if it is closed, meanwhile too;\n"
             "PermissionError where this user may only read; OSError (EUSERS) if it has 120 users.");

PyDoc_STRVAR(release_doc,
             "release($self, n=1)\n--\n\n"
             "Give `n` permits back that this object has. Raises ValueError once it has none, and if it\n"
             "is closed: there are never more than there were.");

PyDoc_STRVAR(value_doc, "get_value($self)\n--\n\n"
                        "How many permits are free (int). Raises ValueError if it is closed.");

PyDoc_STRVAR(read_doc,
             "acquire($self, blocking=True, timeout=None, *, timeout_ms=None, block=True)\n--\n\n"
             "Begin to read, and say whether that worked: False if somebody still wrote by then.\n\n"
             "Any number read at once. Who wants to write goes first; but an object that reads already\n"
             "may read again. The arguments, and what other threads and signal handlers may do\n"
             "meanwhile, are as in Lock.acquire().\n\n"
             "Raises OwnerDiedError if a writer died, until somebody has repaired what it left; and\n"
             "what Lock.acquire() raises.");

PyDoc_STRVAR(read_release_doc, "release($self)\n--\n\n"
                               "Read no more, whichever thread or task began it through this object. Raises\n"
                               "RuntimeError if this object does not read, ValueError if it is closed.");

PyDoc_STRVAR(readers_doc, "get_value($self)\n--\n\n"
                          "How many read (int), of all processes. Raises ValueError if it is closed.");

#define ACQUIRES(doc)                                                                                        \
    {"acquire", (PyCFunction)(void (*)(void))semaphore_acquire, METH_FASTCALL | METH_KEYWORDS, doc},         \
        {"__enter__", (PyCFunction)semaphore_enter, METH_NOARGS,                                             \
         "__enter__($self)\n--\n\nAcquire, by acquire(), which raises what this raises; True."},             \
        {"__exit__", (PyCFunction)(void (*)(void))semaphore_exit, METH_FASTCALL, "Release, by release()."}

static PyMethodDef semaphore_methods[] = {
    ACQUIRES(acquire_doc),
    {"release", (PyCFunction)(void (*)(void))semaphore_release, METH_VARARGS | METH_KEYWORDS, release_doc},
    {"get_value", (PyCFunction)semaphore_value, METH_NOARGS, value_doc},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef reader_methods[] = {
    ACQUIRES(read_doc),
    {"release", (PyCFunction)reader_release, METH_NOARGS, read_release_doc},
    {"get_value", (PyCFunction)semaphore_value, METH_NOARGS, readers_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot semaphore_slots[] = {
    {Py_tp_methods, semaphore_methods},
    {Py_tp_doc, (void *)"What zinc.Semaphore is made of."},
    {0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_methods, reader_methods},
    {Py_tp_doc, (void *)"What RWLock.read is made of."},
    {0, NULL},
};

PyType_Spec zinc_semaphore_spec = {
    .name = "zinc._zinc.Semaphore",
    .basicsize = sizeof(Primitive),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = semaphore_slots,
};

PyType_Spec zinc_reader_spec = {
    .name = "zinc._zinc.Reader",
    .basicsize = sizeof(Primitive),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reader_slots,
};
