/* Events: set or not, and who waits for that. */
#include "primitive.h"

#include <errno.h>

/* What is left of a call without a wait. */
static PyObject *ended(Primitive *self, ZincHandle handle, int32_t status, int is_question) {
    if (status < 0) primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    region_end(self->region);
    if (status < 0) return NULL;
    return is_question ? PyBool_FromLong(status) : Py_NewRef(Py_None);
}

PyDoc_STRVAR(set_doc,
             "set($self)\n--\n\n"
             "Set it, and wake all who wait. Raises ValueError if it is closed, PermissionError where\n"
             "this user may only read.");

static PyObject *event_set(Primitive *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self->region);
    return handle ? ended(self, handle, zinc_event_set(handle, ZINC_OWN_LOCK), 0) : NULL;
}

PyDoc_STRVAR(clear_doc,
             "clear($self)\n--\n\n"
             "Let it be set no more: who waits from now on waits for the next time. Raises what set()\n"
             "raises.");

static PyObject *event_clear(Primitive *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self->region);
    return handle ? ended(self, handle, zinc_event_clear(handle, ZINC_OWN_LOCK), 0) : NULL;
}

PyDoc_STRVAR(is_set_doc, "is_set($self)\n--\n\nTrue if it is set. Raises ValueError if it is closed.");

static PyObject *event_is_set(Primitive *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self->region);
    return handle ? ended(self, handle, zinc_event_is_set(handle, ZINC_OWN_LOCK), 1) : NULL;
}

static int32_t wait_for(ZincHandle handle, const ZincWaitOptions *options, void *unused) {
    (void)unused;
    return zinc_event_wait(handle, ZINC_OWN_LOCK, options);
}

PyDoc_STRVAR(wait_doc,
             "wait($self, timeout=None, *, timeout_ms=None)\n--\n\n"
             "Wait until it is set, or was meanwhile, and return True; False if that did not come by\n"
             "then: within `timeout` seconds or `timeout_ms` milliseconds, and else never.\n\n"
             "Other threads run meanwhile, and signal handlers, too. Raises ValueError for times that\n"
             "can't be, and if it is closed, meanwhile too.");

static PyObject *event_wait(Primitive *self, PyObject *args, PyObject *keywords) {
    static char *names[] = {"timeout", "timeout_ms", NULL};
    PyObject *timeout = NULL, *timeout_ms = NULL;
    uint64_t deadline;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O$O:wait", names, &timeout, &timeout_ms) ||
        !wait_deadline(timeout, timeout_ms, &deadline))
        return NULL;
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    int32_t status = primitive_wait(handle, deadline, wait_for, NULL);
    int is_known = status == 0 || status == -ETIMEDOUT;
    if (!is_known && status != -EINTR) primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    region_end(self->region);
    return is_known ? PyBool_FromLong(status == 0) : NULL;
}

static PyMethodDef event_methods[] = {
    {"set", (PyCFunction)event_set, METH_NOARGS, set_doc},
    {"clear", (PyCFunction)event_clear, METH_NOARGS, clear_doc},
    {"is_set", (PyCFunction)event_is_set, METH_NOARGS, is_set_doc},
    {"wait", (PyCFunction)(void (*)(void))event_wait, METH_VARARGS | METH_KEYWORDS, wait_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot event_slots[] = {
    {Py_tp_methods, event_methods},
    {Py_tp_doc, (void *)"What zinc.Event is made of."},
    {0, NULL},
};

PyType_Spec zinc_event_spec = {
    .name = "zinc._zinc.Event",
    .basicsize = sizeof(Primitive),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = event_slots,
};
