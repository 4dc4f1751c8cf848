/* lock.recover(): a lock whose holder may have died, for the time of a `with`. */
#include "lock.h"

#include <errno.h>

typedef struct {
    PyObject_HEAD Lock *lock;
    PyObject *timeout;
    int died; /* the holder, and there is something to repair */
} Recovery;

const char lock_recover_doc[] =
    PyDoc_STR("recover($self, timeout_ms=None)\n--\n\n"
              "Hold the lock for the time of a `with`, to repair what a dead holder left half done.\n\n"
              "`with lock.recover() as is_broken:` waits for a living holder, and takes the lock from\n"
              "a dead one: True then, and False if there is nothing to repair, or somebody did\n"
              "already. Ended without an exception, the lock is repaired and free; with one it is as\n"
              "before, and the next one is told. `repair` is not called.\n\n"
              "__enter__ raises TimeoutError if a living holder has it for more than `timeout_ms`\n"
              "milliseconds (None waits for ever), and what acquire() raises; the lock is not held\n"
              "then.");

PyObject *lock_recover(Lock *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
    Py_ssize_t named = keywords ? PyTuple_Size(keywords) : 0;
    if (count + named > 1 ||
        (named && PyUnicode_CompareWithASCIIString(PyTuple_GetItem(keywords, 0), "timeout_ms") != 0)) {
        PyErr_SetString(PyExc_TypeError, "recover() takes one argument, timeout_ms");
        return NULL;
    }
    uint64_t deadline;
    PyObject *timeout = count + named ? args[0] : Py_None;
    if (!zinc_convert_timeout(timeout, &deadline)) return NULL;
    ModuleState *state = PyType_GetModuleState(self->region->export_type);
    PyTypeObject *type = (PyTypeObject *)state->recovery_type;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Recovery *recovery = (Recovery *)allocate(type, 0);
    if (!recovery) return NULL;
    recovery->lock = (Lock *)Py_NewRef((PyObject *)self);
    recovery->timeout = Py_NewRef(timeout);
    return (PyObject *)recovery;
}

static PyObject *recovery_enter(Recovery *self, PyObject *unused) {
    (void)unused;
    uint64_t deadline;
    if (!zinc_convert_timeout(self->timeout, &deadline)) return NULL;
    ZincHandle handle = lock_begin(self->lock);
    if (!handle) return NULL;
    self->died = 0;
    int is_taken = lock_take(self->lock, handle, deadline, &self->died);
    region_end(self->lock->region);
    if (is_taken > 0) return PyBool_FromLong(self->died);
    if (is_taken == 0) {
        PyObject *text = PyUnicode_FromFormat("recover %R: its holder lives, and has it", self->lock);
        PyObject *error = text ? PyObject_CallFunction(PyExc_TimeoutError, "iN", ETIMEDOUT, text) : NULL;
        if (error) PyErr_SetObject(PyExc_TimeoutError, error);
        Py_XDECREF(error);
    }
    return NULL;
}

static PyObject *recovery_exit(Recovery *self, PyObject *const *args, Py_ssize_t count) {
    int is_whole = count < 1 || args[0] == Py_None;
    return lock_give(self->lock, is_whole || !self->died);
}

static void recovery_dealloc(Recovery *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_XDECREF((PyObject *)self->lock);
    Py_XDECREF(self->timeout);
    freefunc deallocate = (freefunc)PyType_GetSlot(type, Py_tp_free);
    deallocate(self);
    Py_DECREF(type);
}

static PyMethodDef recovery_methods[] = {
    {"__enter__", (PyCFunction)recovery_enter, METH_NOARGS,
     "__enter__($self)\n--\n\nAcquire the lock; True if its holder died with it."},
    {"__exit__", (PyCFunction)(void (*)(void))recovery_exit, METH_FASTCALL,
     "Release the lock; after an exception as it was found."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot recovery_slots[] = {
    {Py_tp_dealloc, recovery_dealloc},
    {Py_tp_methods, recovery_methods},
    {Py_tp_doc, (void *)"What Lock.recover() returns: a context manager."},
    {0, NULL},
};

PyType_Spec zinc_recovery_spec = {
    .name = "zinc._zinc.Recovery",
    .basicsize = sizeof(Recovery),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = recovery_slots,
};
