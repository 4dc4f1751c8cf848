/* What writers and readers of channels have in common: how they last, and how they complain. */
#include "channel.h"

#include <errno.h>

int end_init(End *self, PyTypeObject *type, PyObject *region, PyObject *form, void (*end)(void *core)) {
    self->state = module_state_of(type);
    if (!self->state) return -1;
    if (!PyObject_TypeCheck(region, (PyTypeObject *)self->state->region_type)) {
        PyErr_Format(PyExc_TypeError, "a SharedRegion is needed, not %R", region);
        return -1;
    }
    self->form = Py_NewRef(form);
    self->region = (Region *)Py_NewRef(region);
    self->end = end;
    if (!region_begin(self->region)) return -1;
    self->held = self->region;
    ZincChannelInfo info = {.size = sizeof info};
    if (zinc_channel_examine(self->region->handle, &info) == 0)
        self->is_queue = (info.flags & ZINC_QUEUE) != 0;
    return 0;
}

void end_finish(End *self) {
    Region *region = EXCHANGE(self->held, NULL);
    if (!region) return;
    void *core = EXCHANGE(self->core, NULL);
    if (core) self->end(core);
    region_detach(region);
    region_end(region);
}

void end_dealloc(End *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    /* Nobody else has a reference: no calls, no messages, no loans. */
    end_finish(self);
    if (self->spare) PyObject_GC_Del(self->spare);
    Py_XDECREF((PyObject *)self->region);
    Py_XDECREF(self->form);
    freefunc deallocate = (freefunc)PyType_GetSlot(type, Py_tp_free);
    deallocate(self);
    Py_DECREF(type);
}

PyObject *end_title(End *self) {
    const char *what = self->is_queue ? "queue" : "channel";
    if (self->region->name == Py_None) return PyUnicode_FromFormat("an anonymous %s", what);
    return PyUnicode_FromFormat("%s %R", what, self->region->name);
}

int end_begin(End *self, const char *call) {
    if (end_begin_if_open(self)) return 1;
    PyObject *title = end_title(self);
    if (title) PyErr_Format(PyExc_ValueError, "%s %U: it is closed", call, title);
    Py_XDECREF(title);
    return 0;
}

PyObject *end_close(End *self, PyObject *unused) {
    (void)unused;
    if (!end_begin_if_open(self)) Py_RETURN_NONE;
    int is_reader = self->end == zinc_reader_end;
    BEGIN_EXCLUSIVE(self);
    self->uses |= CLOSED;
    /* What it holds may last for long, and nobody need wait for it. */
    if (is_reader) zinc_reader_stop(self->core);
    END_EXCLUSIVE();
    /* Who waits for a message looks again, and finds it closed. Writers look by themselves. */
    if (self->end != zinc_writer_end) (void)zinc_region_notify(self->region->handle, NULL);
    end_release(self);
    Py_RETURN_NONE;
}

PyObject *end_closed(End *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->uses & CLOSED);
}

/* The limit is of the channel, and the exception has it as a number, too. */
static PyObject *raise_view_limit(End *self) {
    PyObject *error =
        PyObject_CallFunction(self->state->view_limit_error, "is", ENOBUFS, zinc_error_message());
    if (!error) return NULL;
    ZincChannelInfo info = {.size = sizeof info};
    PyObject *limit = NULL;
    if (zinc_channel_examine(self->region->handle, &info) == 0 &&
        (limit = PyLong_FromUnsignedLong(info.views)))
        PyObject_SetAttrString(error, "limit", limit);
    Py_XDECREF(limit);
    if (!PyErr_Occurred()) PyErr_SetObject(self->state->view_limit_error, error);
    Py_DECREF(error);
    return NULL;
}

/* That of the standard library, where it has one: few see it, so it is looked for when somebody does. */
static PyObject *raise_shut_down(void) {
    PyObject *text = PyUnicode_FromString(zinc_error_message());
    PyObject *module = text ? PyImport_ImportModule("zinc._queue") : NULL;
    PyObject *type = module ? PyObject_GetAttrString(module, "ShutDown") : NULL;
    if (type) PyErr_SetObject(type, text);
    Py_XDECREF(type);
    Py_XDECREF(module);
    Py_XDECREF(text);
    return NULL;
}

PyObject *end_raise(End *self, int32_t status) {
    if (status == -ENOBUFS && self->end != zinc_writer_end) return raise_view_limit(self);
    if (status == -EPIPE && self->is_queue) return raise_shut_down();
    if (status == -EPIPE) return PyErr_Format(PyExc_EOFError, "%s", zinc_error_message());
    return primitive_raise(self->region, 0, self->region->handle, status);
}

int end_arguments(const char *call, const char *const *names, int needed, PyObject *const *args,
                  Py_ssize_t count, PyObject *keywords, PyObject **values) {
    int most = 0;
    while (names[most]) most++;
    if (count > most) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments (%zd given)", call, most, count);
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) values[i] = args[i];
    Py_ssize_t named = keywords ? PyTuple_Size(keywords) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *keyword = PyTuple_GetItem(keywords, i);
        int which = 0;
        while (which < most && PyUnicode_CompareWithASCIIString(keyword, names[which]) != 0) which++;
        if (which == most || values[which]) {
            PyErr_Format(PyExc_TypeError, "%s() got %s argument %R", call,
                         which == most ? "an unexpected" : "two values for the", keyword);
            return 0;
        }
        values[which] = args[count + i];
    }
    for (int i = 0; i < needed; i++)
        if (!values[i]) {
            PyErr_Format(PyExc_TypeError, "%s() needs the argument '%s'", call, names[i]);
            return 0;
        }
    return 1;
}
