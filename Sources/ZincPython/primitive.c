/* What the family of the lock shares: errors, waits, and the base of their types. */
#include "primitive.h"

#include <errno.h>
#include <structmember.h>

static PyObject *raise_owner_died(Region *region, uintptr_t offset, ZincHandle handle) {
    ModuleState *state = PyType_GetModuleState(region->export_type);
    PyObject *type = state->owner_died_error;
    PyObject *error = PyObject_CallFunction(type, "is", EOWNERDEAD, zinc_error_message());
    if (!error) return NULL;
    ZincLockInfo info = {.size = sizeof info};
    PyObject *pid = NULL, *since = NULL;
    /* Not if somebody has recovered it meanwhile: what it says is of that one, then. */
    if (zinc_lock_examine(handle, offset, &info) == 0 && info.state == ZINC_LOCK_ABANDONED) {
        pid = PyLong_FromLong(info.pid);
        since = PyFloat_FromDouble((double)info.since / 1e9);
        if (pid && since && PyObject_SetAttrString(error, "pid", pid) == 0)
            PyObject_SetAttrString(error, "since", since);
    }
    Py_XDECREF(pid);
    Py_XDECREF(since);
    if (!PyErr_Occurred()) PyErr_SetObject(type, error);
    Py_DECREF(error);
    return NULL;
}

PyObject *primitive_raise(Region *region, uintptr_t offset, ZincHandle handle, int32_t status) {
    if (status == -EOWNERDEAD) return raise_owner_died(region, offset, handle);
    if (status == -ECANCELED)
        return PyErr_Format(PyExc_ValueError, "region %R was closed during the wait", region->name);
    if (status != -EBADMSG) return zinc_raise(PyType_GetModuleState(region->export_type), status);
    /* A region it is, so it is no NotARegionError. */
    PyObject *error = PyObject_CallFunction(PyExc_OSError, "is", EBADMSG, zinc_error_message());
    if (error) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    return NULL;
}

int32_t primitive_wait(ZincHandle handle, uint64_t deadline,
                       int32_t (*wait)(ZincHandle handle, const ZincWaitOptions *options, void *context),
                       void *context) {
    ZincWaitOptions options = {.size = sizeof options};
    int32_t status = wait(handle, &options, context);
    if (status != -ETIMEDOUT || deadline == 0) return status;
    options.deadline_ns = deadline;
    options.flags = ZINC_WAIT_INTERRUPTIBLE;
    do {
        Py_BEGIN_ALLOW_THREADS status = wait(handle, &options, context);
        Py_END_ALLOW_THREADS if (status == -EINTR && PyErr_CheckSignals() < 0) break;
    } while (status == -EINTR);
    return status;
}

static PyObject *primitive_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *region;
    if (keywords && PyDict_Size(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "use the classes of zinc");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O:Primitive", &region)) return NULL;
    ModuleState *state = module_state_of(type);
    if (!state || !PyObject_TypeCheck(region, (PyTypeObject *)state->region_type))
        return PyErr_Format(PyExc_TypeError, "a SharedRegion is needed, not %R", region);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Primitive *self = (Primitive *)allocate(type, 0);
    if (self) self->region = (Region *)Py_NewRef(region);
    return (PyObject *)self;
}

static void primitive_dealloc(Primitive *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_XDECREF((PyObject *)self->region);
    freefunc deallocate = (freefunc)PyType_GetSlot(type, Py_tp_free);
    deallocate(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(close_doc,
             "close($self)\n--\n\n"
             "Be done with it, and give back what this object has. Never raises; a second time does\n"
             "nothing. The name goes with its last user. Waits of other threads end with ValueError.");

static PyObject *primitive_close(Primitive *self, PyObject *unused) {
    (void)unused;
    return PyObject_CallMethod((PyObject *)self->region, "close", NULL);
}

static PyObject *primitive_closed(Primitive *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->region->uses & CLOSED);
}

static PyObject *primitive_name(Primitive *self, void *unused) {
    (void)unused;
    return Py_NewRef(self->region->name);
}

static PyMethodDef primitive_methods[] = {
    {"close", (PyCFunction)primitive_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef primitive_members[] = {
    {"region", T_OBJECT_EX, offsetof(Primitive, region), READONLY, "The region that it is."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef primitive_properties[] = {
    {"closed", (getter)primitive_closed, NULL, "True after close().", NULL},
    {"name", (getter)primitive_name, NULL, "Its name (str).", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot primitive_slots[] = {
    {Py_tp_new, primitive_new},
    {Py_tp_dealloc, primitive_dealloc},
    {Py_tp_methods, primitive_methods},
    {Py_tp_members, primitive_members},
    {Py_tp_getset, primitive_properties},
    {Py_tp_doc, (void *)"What semaphores, conditions, events and barriers are made of."},
    {0, NULL},
};

PyType_Spec zinc_primitive_spec = {
    .name = "zinc._zinc.Primitive",
    .basicsize = sizeof(Primitive),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = primitive_slots,
};
