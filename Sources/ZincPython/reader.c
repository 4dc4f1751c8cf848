/* ChannelReader: who reads a channel; and how it and who works for a queue receive. */
#include "channel.h"

#include <errno.h>
#include <time.h>

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *region, *form;
    unsigned long long history;
    int until_gone;
    if (keywords && PyDict_Size(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "use channel.reader()");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OOKp:ChannelReader", &region, &form, &history, &until_gone)) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    End *self = (End *)allocate(type, 0);
    if (!self) return NULL;
    self->flags = until_gone ? ZINC_WAIT_UNTIL_GONE : 0;
    if (end_init(self, type, region, form, zinc_reader_end) == 0) {
        ZincReader core = NULL;
        int32_t status = zinc_reader_begin(self->region->handle, history, &core);
        self->core = core;
        if (status == 0) return (PyObject *)self;
        end_raise(self, status);
    }
    Py_DECREF((PyObject *)self);
    return NULL;
}

/* Receives if there is a message. Only one thread may at a time. */
static int32_t receive(End *self, Received *received) {
    ZincWaitOptions look = {.size = sizeof look, .flags = self->flags};
    int32_t status;
    BEGIN_EXCLUSIVE(self);
    /* By receiving, it would let writers wait for it again. */
    if (self->uses & CLOSED)
        status = -ECANCELED;
    else if (self->is_queue)
        status = zinc_worker_take(self->core, &received->task, &look);
    else {
        status = zinc_reader_receive(self->core, &received->message, &look);
        received->task.redelivered = 0;
    }
    END_EXCLUSIVE();
    return status;
}

/* How often a reader that is told of it looks whether its writers are gone: ns. */
#define LOOK_FOR_WRITERS 25000000u

uint64_t earlier(uint64_t deadline, uint64_t interval) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t then = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + interval;
    return then < deadline ? then : deadline;
}

/*
 * The next message by the deadline: 0; -ETIMEDOUT; -ECANCELED if it was closed; what else the core
 * says; -EINTR with a handler's exception. A use has begun.
 */
static int32_t await(End *self, Received *received, uint64_t deadline) {
    int32_t status = receive(self, received);
    ZincHandle handle = self->region->handle;
    ZincWaitOptions wait = {
        .size = sizeof wait, .deadline_ns = deadline, .flags = ZINC_WAIT_AFTER | ZINC_WAIT_INTERRUPTIBLE};
    while (status == -ETIMEDOUT && deadline != 0) {
        wait.after = zinc_region_sequence(handle);
        status = receive(self, received);
        if (status != -ETIMEDOUT) return status;
        if (self->uses & CLOSED) return -ECANCELED;
        /* Nobody tells of a writer that is killed. */
        if (self->flags) wait.deadline_ns = earlier(deadline, LOOK_FOR_WRITERS);
        int32_t waited;
        Py_BEGIN_ALLOW_THREADS waited = zinc_region_wait(handle, &wait);
        Py_END_ALLOW_THREADS if (waited == -EINTR && PyErr_CheckSignals() < 0) return -EINTR;
        if (waited == 0 || waited == -EINTR || (waited == -ETIMEDOUT && wait.deadline_ns != deadline))
            continue;
        /* What came at the last moment counts. */
        status = receive(self, received);
        return status == -ETIMEDOUT ? waited : status;
    }
    return status;
}

/* The same of who works: threads wait together, and take one at a time. */
static int32_t await_task(End *self, Received *received, uint64_t deadline) {
    int32_t status = receive(self, received);
    ZincWaitOptions wait = {.size = sizeof wait, .deadline_ns = deadline, .flags = ZINC_WAIT_INTERRUPTIBLE};
    while (status == -ETIMEDOUT && deadline != 0) {
        int32_t waited;
        Py_BEGIN_ALLOW_THREADS waited = zinc_worker_wait(self->core, &wait);
        Py_END_ALLOW_THREADS if (waited == -EINTR && PyErr_CheckSignals() < 0) return -EINTR;
        status = receive(self, received);
        if (waited != 0 && waited != -EINTR) return status == -ETIMEDOUT ? waited : status;
    }
    return status;
}

/* As await(), in a use that it begins; raises what is wrong, but not that there is no message. */
PyObject *end_next(End *self, uint64_t deadline, int32_t *status) {
    if (!end_begin(self, "receive from")) return NULL;
    Received received;
    *status = self->is_queue ? await_task(self, &received, deadline) : await(self, &received, deadline);
    if (*status == 0) return message_new(self, &received);
    if (*status == -ECANCELED) {
        PyObject *title = end_title(self);
        if (title) PyErr_Format(PyExc_ValueError, "receive from %U: it was closed meanwhile", title);
        Py_XDECREF(title);
    } else if (*status != -ETIMEDOUT && *status != -EINTR)
        end_raise(self, *status);
    end_release(self);
    return NULL;
}

PyDoc_STRVAR(recv_doc,
             "recv($self, timeout_ms=None)\n--\n\n"
             "Receive the next message, and wait for it so many milliseconds; None waits for ever.\n\n"
             "Other threads run meanwhile. Signal handlers run at once, and Ctrl-C ends the wait.\n\n"
             "Raises TimeoutError if none came, ViewLimitError if this reader holds as many messages\n"
             "as it may, ValueError for a timeout that can't be and if it is closed, meanwhile too;\n"
             "EOFError if its writers are gone, with `until_gone`.");

PyObject *end_recv(End *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
    static const char *const names[] = {"timeout_ms", NULL};
    uint64_t deadline = ZINC_FOREVER;
    PyObject *timeout = count == 1 && !keywords ? args[0] : NULL;
    if ((count != 0 || keywords) && !timeout &&
        !end_arguments("recv", names, 0, args, count, keywords, &timeout))
        return NULL;
    if (timeout && !zinc_convert_timeout(timeout, &deadline)) return NULL;
    int32_t status = 0;
    PyObject *message = end_next(self, deadline, &status);
    if (!message && status == -ETIMEDOUT) {
        PyObject *title = end_title(self);
        if (title)
            PyErr_Format(PyExc_TimeoutError, "receive from %U: no message came within %R ms", title, timeout);
        Py_XDECREF(title);
    }
    return message;
}

PyDoc_STRVAR(try_recv_doc,
             "try_recv($self)\n--\n\n"
             "Receive the next message, or return None if there is none yet. Raises what recv()\n"
             "raises, but no TimeoutError.");

PyObject *end_try_recv(End *self, PyObject *unused) {
    (void)unused;
    int32_t status = 0;
    PyObject *message = end_next(self, 0, &status);
    return !message && status == -ETIMEDOUT ? Py_NewRef(Py_None) : message;
}

PyDoc_STRVAR(latest_doc,
             "latest($self)\n--\n\n"
             "Receive the newest message, and skip those before it, which count as lost.\n\n"
             "None if it was received already, or there is none. Never waits. Raises what recv()\n"
             "raises, but no TimeoutError.");

static PyObject *reader_latest(End *self, PyObject *unused) {
    (void)unused;
    if (!end_begin(self, "receive from")) return NULL;
    BEGIN_EXCLUSIVE(self);
    (void)zinc_reader_skip(self->core);
    END_EXCLUSIVE();
    end_release(self);
    return end_try_recv(self, NULL);
}

PyDoc_STRVAR(recv_many_doc,
             "recv_many($self, n, timeout_ms=None)\n--\n\n"
             "Receive up to `n` messages (a list): waits for the first as recv() does, and takes of\n"
             "those that are there then as many as this reader may hold. Raises what recv() raises.");

PyObject *end_recv_many(End *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
    static const char *const names[] = {"n", "timeout_ms", NULL};
    PyObject *values[2] = {NULL, NULL};
    if (!end_arguments("recv_many", names, 1, args, count, keywords, values)) return NULL;
    Py_ssize_t most = PyNumber_AsSsize_t(values[0], NULL);
    if (most == -1 && PyErr_Occurred()) return NULL;
    if (most < 1) return PyErr_Format(PyExc_ValueError, "n must be one or more, not %R", values[0]);
    PyObject *first = end_recv(self, &values[1], values[1] != NULL, NULL);
    PyObject *result = first ? PyList_New(0) : NULL;
    int failed = !result || PyList_Append(result, first) < 0;
    Py_XDECREF(first);
    while (!failed && PyList_Size(result) < most && end_begin_if_open(self)) {
        Received received;
        if (receive(self, &received) != 0) { /* no more, or as many as it may hold */
            end_release(self);
            break;
        }
        PyObject *next = message_new(self, &received);
        failed = !next || PyList_Append(result, next) < 0;
        Py_XDECREF(next);
    }
    if (failed) Py_CLEAR(result);
    return result;
}

static PyObject *reader_iter(End *self) { return Py_NewRef((PyObject *)self); }

/* Ends when the reader is closed, by whichever thread, or its writers are gone. */
static PyObject *reader_iternext(End *self) {
    if (self->uses & CLOSED) return NULL;
    int32_t status = 0;
    PyObject *message = end_next(self, ZINC_FOREVER, &status);
    int is_closed = (self->uses & CLOSED) && (status == 0 || status == -ECANCELED);
    if (!message && ((is_closed && PyErr_ExceptionMatches(PyExc_ValueError)) || status == -EPIPE))
        PyErr_Clear();
    return message;
}

static PyObject *reader_lost(End *self, void *unused) {
    (void)unused;
    if (!end_begin(self, "lost of")) return NULL;
    unsigned long long lost = zinc_reader_lost(self->core);
    end_release(self);
    return PyLong_FromUnsignedLongLong(lost);
}

int64_t reader_lag(End *self) {
    ZincChannelInfo info = {.size = sizeof info};
    uint64_t next = zinc_reader_next(self->core);
    int32_t status = zinc_channel_examine(self->region->handle, &info);
    return status < 0 ? status : info.newest < next ? 0 : (int64_t)(info.newest + 1 - next);
}

static PyObject *reader_get_lag(End *self, void *unused) {
    (void)unused;
    if (!end_begin(self, "lag of")) return NULL;
    int64_t lag = reader_lag(self);
    if (lag < 0) end_raise(self, (int32_t)lag);
    end_release(self);
    return lag < 0 ? NULL : PyLong_FromLongLong(lag);
}

static PyObject *reader_until_gone(End *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->flags != 0);
}

PyObject *end_region(End *self, void *unused) {
    (void)unused;
    return Py_NewRef((PyObject *)self->region);
}

PyObject *end_name(End *self, void *unused) {
    (void)unused;
    return Py_NewRef(self->region->name);
}

PyDoc_STRVAR(close_doc, "close($self)\n--\n\n"
                        "Read no more. Never raises; a second time does nothing.\n\n"
                        "Messages that it holds, and their arrays and memoryviews, stay as they are. Other\n"
                        "threads that wait on it get ValueError, and iteration ends.");

static PyMethodDef reader_methods[] = {
    {"recv", (PyCFunction)(void (*)(void))end_recv, METH_FASTCALL | METH_KEYWORDS, recv_doc},
    {"try_recv", (PyCFunction)end_try_recv, METH_NOARGS, try_recv_doc},
    {"recv_many", (PyCFunction)(void (*)(void))end_recv_many, METH_FASTCALL | METH_KEYWORDS, recv_many_doc},
    {"latest", (PyCFunction)reader_latest, METH_NOARGS, latest_doc},
    {"close", (PyCFunction)end_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef reader_properties[] = {
    {"closed", (getter)end_closed, NULL, "True after close().", NULL},
    {"name", (getter)end_name, NULL, "The name of its channel (str); None for an anonymous one.", NULL},
    {"_until_gone", (getter)reader_until_gone, NULL, "Whether it ends with its writers.", NULL},
    {"_region", (getter)end_region, NULL, "Its handle, which ends with it.", NULL},
    {"lost", (getter)reader_lost, NULL,
     "How many messages this reader has missed (int): those that were displaced before it came to\n"
     "them, and those that latest() has skipped. Raises ValueError if it is closed.",
     NULL},
    {"lag", (getter)reader_get_lag, NULL,
     "How many messages there have been that it has not come to yet (int), displaced ones too.\n"
     "Raises ValueError if it is closed.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_new, reader_new},
    {Py_tp_dealloc, end_dealloc},
    {Py_tp_iter, reader_iter},
    {Py_tp_iternext, reader_iternext},
    {Py_tp_methods, reader_methods},
    {Py_tp_getset, reader_properties},
    {Py_tp_doc, (void *)"What zinc.ChannelReader is made of."},
    {0, NULL},
};

PyType_Spec zinc_channel_reader_spec = {
    .name = "zinc._zinc.ChannelReader",
    .basicsize = sizeof(End),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reader_slots,
};
