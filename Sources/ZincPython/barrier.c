/* Barriers: a number of parties that wait for each other. */
#include "primitive.h"

#include <errno.h>

/* threading.BrokenBarrierError for a broken one, and else what goes with the status. */
static void raise_barrier(Primitive *self, ZincHandle handle, int32_t status) {
    if (status == -EINTR) return; /* a handler's own */
    if (status != -EPIPE && status != -ETIMEDOUT) {
        primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
        return;
    }
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *type = threading ? PyObject_GetAttrString(threading, "BrokenBarrierError") : NULL;
    if (type)
        PyErr_Format(type, "barrier %R %s", self->region->name,
                     status == -EPIPE ? "is broken; reset() makes it whole"
                                      : "is broken: not all came in time; reset() makes it whole");
    Py_XDECREF(type);
    Py_XDECREF(threading);
}

static int32_t arrive(ZincHandle handle, uint32_t *phase, ZincWaitOptions *options) {
    int32_t place;
    do {
        Py_BEGIN_ALLOW_THREADS place = zinc_barrier_arrive(handle, ZINC_OWN_LOCK, phase, options);
        Py_END_ALLOW_THREADS if (place == -EINTR && PyErr_CheckSignals() < 0) break;
    } while (place == -EINTR);
    return place;
}

static int32_t wait_for_others(ZincHandle handle, uint32_t phase, ZincWaitOptions *options) {
    int32_t status;
    do {
        Py_BEGIN_ALLOW_THREADS status = zinc_barrier_wait(handle, ZINC_OWN_LOCK, phase, options);
        Py_END_ALLOW_THREADS if (status == -EINTR && PyErr_CheckSignals() < 0) break;
    } while (status == -EINTR);
    return status;
}

PyDoc_STRVAR(meet_doc, "_meet($self, action, timeout, timeout_ms, /)\n--\n\nDo what Barrier.wait() says.");

static PyObject *barrier_meet(Primitive *self, PyObject *args) {
    PyObject *action, *timeout, *timeout_ms;
    ZincWaitOptions options = {.size = sizeof options, .flags = ZINC_WAIT_INTERRUPTIBLE};
    if (!PyArg_ParseTuple(args, "OOO:_meet", &action, &timeout, &timeout_ms) ||
        !wait_deadline(timeout, timeout_ms, &options.deadline_ns))
        return NULL;
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    ZincBarrierInfo info = {.size = sizeof info};
    uint32_t phase;
    int32_t status = zinc_barrier_examine(handle, ZINC_OWN_LOCK, &info);
    int32_t place = status < 0 ? status : arrive(handle, &phase, &options);
    status = place < 0 ? place : 0;
    if (place >= 0 && (uint32_t)place + 1 == info.parties) {
        PyObject *result =
            action == Py_None ? Py_NewRef(Py_None) : PyObject_CallFunctionObjArgs(action, NULL);
        status = result ? zinc_barrier_release(handle, ZINC_OWN_LOCK, phase) : -EINTR;
        Py_XDECREF(result);
    } else if (place >= 0) {
        status = wait_for_others(handle, phase, &options);
    }
    if (status < 0) raise_barrier(self, handle, status);
    /* The others would wait for one that does not come. Those of a later phase do not. */
    if (status == -EINTR && place >= 0) {
        options.deadline_ns = 0;
        (void)zinc_barrier_wait(handle, ZINC_OWN_LOCK, phase, &options);
    }
    region_end(self->region);
    return status < 0 ? NULL : PyLong_FromLong(place);
}

PyDoc_STRVAR(abort_doc,
             "abort($self)\n--\n\n"
             "Break it, for who waits and who comes, until reset(). Raises ValueError if it is closed,\n"
             "PermissionError where this user may only read.");

static PyObject *barrier_abort(Primitive *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    int32_t status = zinc_barrier_abort(handle, ZINC_OWN_LOCK);
    if (status < 0) primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    return region_ended(self->region, status < 0 ? NULL : Py_NewRef(Py_None));
}

PyDoc_STRVAR(reset_doc, "reset($self)\n--\n\n"
                        "Make it whole and empty; for who waits it breaks. Raises what abort() raises.");

static PyObject *barrier_reset(Primitive *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    int32_t status = zinc_barrier_reset(handle, ZINC_OWN_LOCK);
    if (status < 0) primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    return region_ended(self->region, status < 0 ? NULL : Py_NewRef(Py_None));
}

static int look(Primitive *self, ZincBarrierInfo *info) {
    ZincHandle handle = region_begin(self->region);
    if (!handle) return 0;
    info->size = sizeof *info;
    int32_t status = zinc_barrier_examine(handle, ZINC_OWN_LOCK, info);
    if (status < 0) primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    region_end(self->region);
    return status >= 0;
}

static PyObject *barrier_parties(Primitive *self, void *unused) {
    (void)unused;
    ZincBarrierInfo info;
    return look(self, &info) ? PyLong_FromUnsignedLong(info.parties) : NULL;
}

static PyObject *barrier_waiting(Primitive *self, void *unused) {
    (void)unused;
    ZincBarrierInfo info;
    return look(self, &info) ? PyLong_FromUnsignedLong(info.waiting) : NULL;
}

static PyObject *barrier_broken(Primitive *self, void *unused) {
    (void)unused;
    ZincBarrierInfo info;
    return look(self, &info) ? PyBool_FromLong(info.is_broken) : NULL;
}

static PyMethodDef barrier_methods[] = {
    {"_meet", (PyCFunction)barrier_meet, METH_VARARGS, meet_doc},
    {"abort", (PyCFunction)barrier_abort, METH_NOARGS, abort_doc},
    {"reset", (PyCFunction)barrier_reset, METH_NOARGS, reset_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef barrier_properties[] = {
    {"parties", (getter)barrier_parties, NULL, "How many it is for (int).", NULL},
    {"n_waiting", (getter)barrier_waiting, NULL, "How many wait for the others now (int).", NULL},
    {"broken", (getter)barrier_broken, NULL, "True if it is broken, until reset().", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot barrier_slots[] = {
    {Py_tp_methods, barrier_methods},
    {Py_tp_getset, barrier_properties},
    {Py_tp_doc, (void *)"What zinc.Barrier is made of."},
    {0, NULL},
};

PyType_Spec zinc_barrier_spec = {
    .name = "zinc._zinc.Barrier",
    .basicsize = sizeof(Primitive),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = barrier_slots,
};
