/* Worker: who takes messages of a queue; and what is asked of a queue as a whole. */
#include "channel.h"

#include <errno.h>

static PyObject *worker_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *region, *form;
    Py_ssize_t views;
    int leaves;
    if (keywords && PyDict_Size(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "use zinc.Queue");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OOnp:Worker", &region, &form, &views, &leaves)) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    End *self = (End *)allocate(type, 0);
    if (!self) return NULL;
    self->views = views > 0 ? (size_t)views : 0;
    self->leaves = leaves != 0;
    if (end_init(self, type, region, form, zinc_worker_end) == 0) {
        ZincWorker core = NULL;
        int32_t status = zinc_worker_begin(self->region->handle, &core);
        self->core = core;
        if (status == 0) return (PyObject *)self;
        end_raise(self, status);
    }
    Py_DECREF((PyObject *)self);
    return NULL;
}

PyDoc_STRVAR(next_doc, "next($self, timeout_ms, messages, /)\n--\n\n"
                       "As recv(), and None if there was no message. It is added to a list of messages, so\n"
                       "that no exception can come between.");

static PyObject *worker_next(End *self, PyObject *const *args, Py_ssize_t count) {
    uint64_t deadline;
    if (count != 2) return PyErr_Format(PyExc_TypeError, "next() takes 2 arguments (%zd given)", count);
    if (!zinc_convert_timeout(args[0], &deadline)) return NULL;
    int32_t status = 0;
    PyObject *message = end_next(self, deadline, &status);
    if (!message && status == -ETIMEDOUT) return Py_NewRef(Py_None);
    if (message) message_claim(message);
    if (message && PyList_Append(args[1], message) < 0) Py_CLEAR(message);
    return message;
}

static PyObject *worker_held(End *self, void *unused) {
    (void)unused;
    return PyLong_FromSize_t(self->messages);
}

static PyMethodDef worker_methods[] = {
    {"recv", (PyCFunction)(void (*)(void))end_recv, METH_FASTCALL | METH_KEYWORDS,
     "recv($self, timeout_ms=None)\n--\n\nSee zinc.Queue.recv."},
    {"try_recv", (PyCFunction)end_try_recv, METH_NOARGS, "try_recv($self)\n--\n\nSee zinc.Queue.try_recv."},
    {"recv_many", (PyCFunction)(void (*)(void))end_recv_many, METH_FASTCALL | METH_KEYWORDS,
     "recv_many($self, n, timeout_ms=None)\n--\n\nSee zinc.Queue.recv_many."},
    {"next", (PyCFunction)(void (*)(void))worker_next, METH_FASTCALL, next_doc},
    {"close", (PyCFunction)end_close, METH_NOARGS, "close($self)\n--\n\nTake no more messages."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef worker_properties[] = {
    {"closed", (getter)end_closed, NULL, "True after close().", NULL},
    {"name", (getter)end_name, NULL, "The name of its queue (str).", NULL},
    {"region", (getter)end_region, NULL, "Its handle, which ends with it.", NULL},
    {"held", (getter)worker_held, NULL, "How many messages it holds (int).", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot worker_slots[] = {
    {Py_tp_new, worker_new},
    {Py_tp_dealloc, end_dealloc},
    {Py_tp_methods, worker_methods},
    {Py_tp_getset, worker_properties},
    {Py_tp_doc, (void *)"What takes messages of a queue: of zinc.Queue."},
    {0, NULL},
};

PyType_Spec zinc_worker_spec = {
    .name = "zinc._zinc.Worker",
    .basicsize = sizeof(End),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = worker_slots,
};

/* ---- the queue as a whole ---- */

PyObject *zinc_queue_told(const void *queue) {
    const ZincQueueInfo *info = queue;
    return Py_BuildValue("KKKO", (unsigned long long)info->waiting, (unsigned long long)info->held,
                         (unsigned long long)info->left, info->is_closed ? Py_True : Py_False);
}

PyObject *zinc_module_examine_queue(PyObject *module, PyObject *args) {
    ModuleState *state = PyModule_GetState(module);
    Region *region;
    if (!PyArg_ParseTuple(args, "O!:examine_queue", state->region_type, &region)) return NULL;
    ZincHandle handle = region_begin(region);
    if (!handle) return NULL;
    ZincQueueInfo info = {.size = sizeof info};
    int32_t status = zinc_queue_examine(handle, &info);
    region_end(region);
    return status < 0 ? zinc_raise(state, status) : zinc_queue_told(&info);
}

PyObject *zinc_module_close_queue(PyObject *module, PyObject *args) {
    ModuleState *state = PyModule_GetState(module);
    Region *region;
    if (!PyArg_ParseTuple(args, "O!:close_queue", state->region_type, &region)) return NULL;
    ZincHandle handle = region_begin(region);
    if (!handle) return NULL;
    int32_t status = zinc_queue_close(handle);
    region_end(region);
    if (status < 0) return zinc_raise(state, status);
    Py_RETURN_NONE;
}

static int32_t join(ZincHandle handle, const ZincWaitOptions *wait, void *unused) {
    (void)unused;
    return zinc_queue_join(handle, wait);
}

/* True once all is done, False if that took longer. */
PyObject *zinc_module_join_queue(PyObject *module, PyObject *args) {
    ModuleState *state = PyModule_GetState(module);
    Region *region;
    PyObject *timeout;
    uint64_t deadline;
    if (!PyArg_ParseTuple(args, "O!O:join_queue", state->region_type, &region, &timeout)) return NULL;
    if (!zinc_convert_timeout(timeout, &deadline)) return NULL;
    ZincHandle handle = region_begin(region);
    if (!handle) return NULL;
    int32_t status = primitive_wait(handle, deadline, join, NULL);
    region_end(region);
    if (status == -EINTR) return NULL;
    if (status < 0 && status != -ETIMEDOUT) return primitive_raise(region, 0, handle, status);
    return PyBool_FromLong(status == 0);
}

/* Where a message is now: TASK_GONE, _WAITS, _HELD or _LEFT. */
PyObject *zinc_module_find_message(PyObject *module, PyObject *args) {
    ModuleState *state = PyModule_GetState(module);
    Region *region;
    unsigned long long number;
    if (!PyArg_ParseTuple(args, "O!K:find_message", state->region_type, &region, &number)) return NULL;
    ZincHandle handle = region_begin(region);
    if (!handle) return NULL;
    uint32_t where = ZINC_TASK_GONE;
    int32_t status = zinc_queue_find(handle, number, &where);
    region_end(region);
    return status < 0 ? zinc_raise(state, status) : PyLong_FromUnsignedLong(where);
}
