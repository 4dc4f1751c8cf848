/* Conditions: waiting with a lock that is given up meanwhile, whatever comes in between. */
#include "lock.h"

#include <errno.h>

/* The lock that an argument is, if this thread may wait or notify with it; else NULL. */
static Lock *held_lock(Primitive *self, PyObject *lock, const char *call) {
    ModuleState *state = PyType_GetModuleState(self->region->export_type);
    if (!PyObject_TypeCheck(lock, (PyTypeObject *)state->lock_type)) {
        PyErr_Format(PyExc_TypeError, "a zinc.Lock is needed, not %R", lock);
        return NULL;
    }
    if (lock_is_mine((Lock *)lock)) return (Lock *)lock;
    PyErr_Format(PyExc_RuntimeError, "cannot %s a condition whose lock is not acquired: %R", call, lock);
    return NULL;
}

static int32_t sleep_at(ZincHandle handle, const ZincWaitOptions *options, void *place) {
    return zinc_condition_sleep(handle, ZINC_OWN_LOCK, *(int32_t *)place, options);
}

/* Takes the lock again, as deep as it was: 1, or -1 with an exception. */
static int retake(Lock *lock, size_t depth) {
    ZincHandle handle = lock_begin(lock);
    if (!handle) return -1;
    int is_taken = lock_take(lock, handle, ZINC_FOREVER, NULL);
    region_end(lock->region);
    if (is_taken > 0) lock->depth = depth;
    return is_taken;
}

/* Sleeps without the lock, at a place: whether it was notified, or NULL with an exception. */
static PyObject *wait_at(Primitive *self, ZincHandle handle, int32_t place, Lock *lock, uint64_t deadline) {
    size_t depth = lock->depth;
    lock->depth = 0;
    PyObject *given = lock_give(lock, 1);
    if (!given) {
        (void)zinc_condition_end(handle, ZINC_OWN_LOCK, place);
        return NULL;
    }
    Py_DECREF(given);
    int32_t status = primitive_wait(handle, deadline, sleep_at, &place);
    if (status < 0 && status != -ETIMEDOUT && status != -EINTR)
        primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    int is_taken = retake(lock, depth);
    int32_t was_notified = zinc_condition_end(handle, ZINC_OWN_LOCK, place);
    /* It is not lost with who does not return from here. */
    if (was_notified == 1 && (type || is_taken < 0)) (void)zinc_condition_notify(handle, ZINC_OWN_LOCK, 1);
    if (is_taken > 0) {
        PyErr_Restore(type, value, traceback);
        return PyErr_Occurred() ? NULL : PyBool_FromLong(was_notified == 1);
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return NULL;
}

PyDoc_STRVAR(begin_doc, "_begin($self, lock, /)\n--\n\nTake a place to wait at, with the lock held (int).");

static PyObject *condition_begin(Primitive *self, PyObject *lock) {
    if (!held_lock(self, lock, "wait on")) return NULL;
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    int32_t place = zinc_condition_begin(handle, ZINC_OWN_LOCK);
    if (place < 0) primitive_raise(self->region, ZINC_OWN_LOCK, handle, place);
    region_end(self->region);
    return place < 0 ? NULL : PyLong_FromLong(place);
}

PyDoc_STRVAR(wait_doc, "_wait($self, lock, timeout, timeout_ms, /)\n--\n\nDo what Condition.wait() says.");

static PyObject *condition_wait(Primitive *self, PyObject *args) {
    PyObject *lock, *timeout, *timeout_ms;
    uint64_t deadline;
    if (!PyArg_ParseTuple(args, "OOO:_wait", &lock, &timeout, &timeout_ms)) return NULL;
    if (!wait_deadline(timeout, timeout_ms, &deadline) || !held_lock(self, lock, "wait on")) return NULL;
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    int32_t place = zinc_condition_begin(handle, ZINC_OWN_LOCK);
    PyObject *result = place < 0 ? primitive_raise(self->region, ZINC_OWN_LOCK, handle, place)
                                 : wait_at(self, handle, place, (Lock *)lock, deadline);
    return region_ended(self->region, result);
}

PyDoc_STRVAR(sleep_doc,
             "_sleep($self, place, /)\n--\n\nTrue if the one at a place was notified; does not wait.");

static PyObject *condition_sleep(Primitive *self, PyObject *number) {
    long place = PyLong_AsLong(number);
    if (place == -1 && PyErr_Occurred()) return NULL;
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    ZincWaitOptions options = {.size = sizeof options};
    int32_t status = zinc_condition_sleep(handle, ZINC_OWN_LOCK, (int32_t)place, &options);
    int is_known = status == 0 || status == -ETIMEDOUT;
    if (!is_known) primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    region_end(self->region);
    return is_known ? PyBool_FromLong(status == 0) : NULL;
}

PyDoc_STRVAR(end_doc, "_end($self, place, /)\n--\n\nGive a place back; True if it was notified.");

static PyObject *condition_end(Primitive *self, PyObject *number) {
    long place = PyLong_AsLong(number);
    if (place == -1 && PyErr_Occurred()) return NULL;
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    int32_t status = zinc_condition_end(handle, ZINC_OWN_LOCK, (int32_t)place);
    if (status < 0) primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    region_end(self->region);
    return status < 0 ? NULL : PyBool_FromLong(status);
}

PyDoc_STRVAR(notify_doc, "_notify($self, lock, n, /)\n--\n\nNotify `n` of those who wait, None all of them.");

static PyObject *condition_notify(Primitive *self, PyObject *args) {
    PyObject *lock, *number;
    uint32_t count = UINT32_MAX;
    if (!PyArg_ParseTuple(args, "OO:_notify", &lock, &number) || !held_lock(self, lock, "notify"))
        return NULL;
    if (number != Py_None && !zinc_convert_count(number, &count)) return NULL;
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    int32_t status = zinc_condition_notify(handle, ZINC_OWN_LOCK, count);
    if (status < 0) primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    region_end(self->region);
    if (status < 0) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef condition_methods[] = {
    {"_begin", (PyCFunction)condition_begin, METH_O, begin_doc},
    {"_wait", (PyCFunction)condition_wait, METH_VARARGS, wait_doc},
    {"_sleep", (PyCFunction)condition_sleep, METH_O, sleep_doc},
    {"_end", (PyCFunction)condition_end, METH_O, end_doc},
    {"_notify", (PyCFunction)condition_notify, METH_VARARGS, notify_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot condition_slots[] = {
    {Py_tp_methods, condition_methods},
    {Py_tp_doc, (void *)"What zinc.Condition is made of."},
    {0, NULL},
};

PyType_Spec zinc_condition_spec = {
    .name = "zinc._zinc.Condition",
    .basicsize = sizeof(Primitive),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = condition_slots,
};
