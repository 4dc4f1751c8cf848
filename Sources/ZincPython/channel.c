/* Writer: who writes to a channel or a queue, from the first loan on; and Channel. */
#include "channel.h"
#include "object.h"

#include <errno.h>
#include <string.h>
#include <time.h>

typedef struct {
    End end;
    PyObject *fill;       /* fill(memoryview, data), where messages are more than bytes; or None */
    uint64_t evict_after; /* ns */
} Writer;

static PyObject *writer_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *region, *form, *fill;
    if (keywords && PyDict_Size(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "use Channel.create(name) or Channel.open(name)");
        return NULL;
    }
    unsigned long long evict_after;
    if (!PyArg_ParseTuple(args, "OOOK:Writer", &region, &form, &fill, &evict_after)) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Writer *self = (Writer *)allocate(type, 0);
    if (!self) return NULL;
    self->fill = Py_NewRef(fill);
    self->evict_after = evict_after;
    if (end_init(&self->end, type, region, form, zinc_writer_end) == 0) return (PyObject *)self;
    Py_DECREF((PyObject *)self);
    return NULL;
}

static void writer_dealloc(Writer *self) {
    Py_XDECREF(self->fill);
    end_dealloc(&self->end);
}

enum { ALL_OF_IT = -1 };

/* Takes a loan for so many bytes, and a seat before the first. */
static int32_t borrow_if_there(End *self, ZincLoan *loan, int64_t length) {
    int32_t status = 0;
    BEGIN_EXCLUSIVE(self);
    if (!self->core) {
        ZincWriter core = NULL;
        if ((status = zinc_writer_begin(self->region->handle, &core)) == 0) {
            zinc_writer_evict_after(core, ((Writer *)self)->evict_after);
            self->core = core;
        }
    }
    if (status == 0)
        status = length == ALL_OF_IT ? zinc_writer_loan(self->core, loan)
                                     : zinc_writer_loan_for(self->core, (uint64_t)length, loan);
    END_EXCLUSIVE();
    return status;
}

/*
 * Sleeps until there may be room, for some milliseconds at most: 0 to try again; -ETIMEDOUT to do so for
 * the last time; -EINTR with a handler's exception; or what else ends it.
 */
static int32_t sleep_for_room(End *self, const ZincWaitOptions *wait) {
    int32_t waited;
    Py_BEGIN_ALLOW_THREADS waited = zinc_writer_wait(self->core, wait);
    Py_END_ALLOW_THREADS if (waited == -EINTR && PyErr_CheckSignals() < 0) return -EINTR;
    if (self->uses & CLOSED) return -ECANCELED;
    return waited == -EINTR ? 0 : waited;
}

void loan_give_back(End *self, const ZincLoan *loan) {
    BEGIN_EXCLUSIVE(self);
    (void)zinc_writer_discard(self->core, loan);
    END_EXCLUSIVE();
}

/*
 * Publishes if there is room. What it refers to is kept no earlier: whoever is killed leaves a region
 * that is kept for nobody only in between.
 */
static int32_t publish(End *self, const ZincLoan *loan, ZincMessageHead *head, const Referred *to) {
    ZincWaitOptions look = {.size = sizeof look};
    int32_t status;
    BEGIN_EXCLUSIVE(self);
    status = to ? zinc_region_keep(to->handle, to->lease) : 0;
    if (status == 0) {
        status = zinc_writer_publish(self->core, loan, head, &look);
        if (to && status < 0) (void)zinc_region_give_back(to->handle);
    }
    END_EXCLUSIVE();
    return status;
}

/* Says whom it has waited for. */
static void raise_full(End *self) {
    PyObject *whom = PyObject_CallMethod((PyObject *)self, "_whom_it_waits_for", NULL);
    PyObject *title = whom ? end_title(self) : NULL;
    if (title) PyErr_Format(self->state->full_error, "send to %U: it is full, and %S", title, whom);
    Py_XDECREF(title);
    Py_XDECREF(whom);
}

static void raise_too_large(End *self, const char *call, unsigned long long length, uint64_t most) {
    PyObject *title = end_title(self);
    if (title)
        PyErr_Format(PyExc_ValueError,
                     "%s %U: %llu bytes, and a message of it has at most %llu; create it with more", call,
                     title, length, (unsigned long long)most);
    Py_XDECREF(title);
}

/* As borrow_if_there(), by the deadline; 0, or -1 with an exception. Slots of a queue come back. */
static int borrow(End *self, ZincLoan *loan, int64_t length, uint64_t deadline) {
    int32_t status = borrow_if_there(self, loan, length);
    ZincWaitOptions wait = {.size = sizeof wait, .deadline_ns = deadline, .flags = ZINC_WAIT_INTERRUPTIBLE};
    while (status == -ENOBUFS && self->is_queue && deadline != 0) {
        int32_t waited = sleep_for_room(self, &wait);
        if (waited == -EINTR) return -1;
        status = waited == 0 || waited == -ETIMEDOUT ? borrow_if_there(self, loan, length) : waited;
        if (waited == -ETIMEDOUT) break;
    }
    ZincChannelInfo info = {.size = sizeof info};
    if (status == -ENOBUFS && self->is_queue)
        raise_full(self);
    else if (status == -EMSGSIZE && zinc_channel_examine(self->region->handle, &info) == 0)
        raise_too_large(self, "send to", (unsigned long long)length, info.payload);
    else if (status < 0)
        end_raise(self, status);
    return status < 0 ? -1 : 0;
}

int loan_publish(End *self, const ZincLoan *loan, ZincMessageHead *head, uint64_t deadline,
                 const Referred *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    head->time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    int32_t status = publish(self, loan, head, to);
    ZincWaitOptions wait = {.size = sizeof wait, .deadline_ns = deadline, .flags = ZINC_WAIT_INTERRUPTIBLE};
    while (status == -ETIMEDOUT && deadline != 0) {
        int32_t waited = sleep_for_room(self, &wait);
        if (waited == -EINTR) return -1;
        status = waited == 0 || waited == -ETIMEDOUT ? publish(self, loan, head, to) : waited;
        if (waited == -ETIMEDOUT) break;
    }
    if (status == -ETIMEDOUT)
        raise_full(self);
    else if (status < 0)
        end_raise(self, status);
    return status < 0 ? -1 : 0;
}

/* ---- send ---- */

static void copy(void *to, const Py_buffer *from) {
    if (from->len > 1 << 18) {
        Py_BEGIN_ALLOW_THREADS memcpy(to, from->buf, (size_t)from->len);
        Py_END_ALLOW_THREADS
    } else {
        memcpy(to, from->buf, (size_t)from->len);
    }
}

/* Copies bytes into a slot, after `count` others, and publishes it; the number, or 0 with an exception. */
static uint64_t send_bytes(End *self, const char *first, size_t count, PyObject *data, uint64_t tag,
                           uint64_t deadline, const Referred *to) {
    Py_buffer bytes;
    if (PyObject_GetBuffer(data, &bytes, PyBUF_SIMPLE) < 0) return 0;
    ZincLoan loan;
    ZincMessageHead head = {.length = count + (uint64_t)bytes.len, .tag = tag};
    int is_lent = borrow(self, &loan, (int64_t)head.length, deadline) == 0, is_sent = 0;
    if (is_lent) {
        memcpy(loan.data, first, count);
        copy((char *)loan.data + count, &bytes);
        is_sent = loan_publish(self, &loan, &head, deadline, to) == 0;
    }
    if (is_lent && !is_sent) loan_give_back(self, &loan);
    PyBuffer_Release(&bytes);
    return is_sent ? head.number : 0;
}

/* A loan that has `data` in it, or NULL. A use has begun, which is the loan's then. */
static PyObject *filled(Writer *self, PyObject *data, uint64_t tag, uint64_t deadline) {
    End *end = &self->end;
    Py_buffer bytes = {.buf = NULL};
    int is_raw = self->fill == Py_None;
    if (is_raw && PyObject_GetBuffer(data, &bytes, PyBUF_SIMPLE) < 0) {
        end_release(end);
        return NULL;
    }
    ZincLoan lent;
    PyObject *loan = NULL;
    if (borrow(end, &lent, is_raw ? (int64_t)bytes.len : ALL_OF_IT, deadline) < 0) {
        end_release(end);
    } else {
        if (is_raw) copy(lent.data, &bytes);
        loan = loan_new(end, &lent, is_raw ? (uint64_t)bytes.len : lent.capacity, tag);
    }
    if (is_raw) PyBuffer_Release(&bytes);
    if (!loan || is_raw) return loan;
    PyObject *view = PyObject_GetAttrString(loan, "data");
    PyObject *done = view ? PyObject_CallFunctionObjArgs(self->fill, view, data, NULL) : NULL;
    Py_XDECREF(view);
    if (!done) Py_CLEAR(loan);
    Py_XDECREF(done);
    return loan;
}

static int convert_tag(PyObject *number, uint64_t *tag) {
    PyObject *index = PyNumber_Index(number);
    if (!index) return 0;
    *tag = PyLong_AsUnsignedLongLong(index);
    Py_DECREF(index);
    if (*tag != UINT64_MAX || !PyErr_Occurred()) return 1;
    PyErr_Format(PyExc_ValueError, "a tag is 0 to 2**64 - 1, not %R", number);
    return 0;
}

PyDoc_STRVAR(send_doc,
             "send($self, data, tag=0, timeout_ms=None)\n--\n\n"
             "Copy `data` into a slot and publish it as the next message, whose number (int) it returns.\n\n"
             "Of a channel with a dtype `data` is whatever numpy makes an array of its shape of; else\n"
             "bytes, or whatever else has some in one piece. `tag` is a number for the readers. Where\n"
             "writers wait, it waits so many milliseconds for the slowest reader; None waits for ever.\n"
             "Other threads run meanwhile, and Ctrl-C ends the wait. Any number of threads may send.\n\n"
             "Raises TimeoutError if it was full all the time, ValueError for data that are too large or\n"
             "of another shape, TypeError for another kind of data, OSError (ENOBUFS) if more write, or\n"
             "hold loans, than it was made for, and ValueError if it is closed, meanwhile too.");

static PyObject *writer_send(Writer *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
    static const char *const names[] = {"data", "tag", "timeout_ms", NULL};
    PyObject *values[3] = {count == 1 && !keywords ? args[0] : NULL};
    uint64_t tag = 0, deadline = ZINC_FOREVER;
    if (!values[0] && !end_arguments("send", names, 1, args, count, keywords, values)) return NULL;
    if (values[1] && !convert_tag(values[1], &tag)) return NULL;
    if (values[2] && !zinc_convert_timeout(values[2], &deadline)) return NULL;
    if (!end_begin(&self->end, "send to")) return NULL;
    if (self->fill == Py_None) {
        uint64_t number = send_bytes(&self->end, "", 0, values[0], tag, deadline, NULL);
        end_release(&self->end);
        return number ? PyLong_FromUnsignedLongLong(number) : NULL;
    }
    PyObject *loan = filled(self, values[0], tag, deadline);
    PyObject *timeout = values[2] ? values[2] : Py_None;
    PyObject *number = loan ? PyObject_CallMethod(loan, "publish", "O", timeout) : NULL;
    Py_XDECREF(loan);
    return number;
}

PyDoc_STRVAR(
    send_parts_doc,
    "_send_parts($self, parts, tag, timeout_ms, numbers, first=b'', region=None, seconds=0, /)\n--\n\n"
    "As send(), of what dump() gives, or of bytes; after `first`, a multiple of 64 bytes. The\n"
    "number is added to a list of numbers, so that no exception can come between. Bytes may\n"
    "stand for an object in a region, which is kept for so many seconds then.");

static uint64_t send_parts(End *end, const char *first, size_t count, Parts *parts, uint64_t tag,
                           uint64_t deadline) {
    ZincLoan loan;
    ZincMessageHead head = {.length = count + parts->size, .tag = tag};
    int is_lent = borrow(end, &loan, (int64_t)head.length, deadline) == 0, is_sent = 0;
    if (is_lent) {
        memcpy(loan.data, first, count);
        if (parts_write(parts, (char *)loan.data + count) == 0)
            is_sent = loan_publish(end, &loan, &head, deadline, NULL) == 0;
    }
    if (is_lent && !is_sent) loan_give_back(end, &loan);
    return is_sent ? head.number : 0;
}

static PyObject *writer_send_parts(Writer *self, PyObject *const *args, Py_ssize_t count) {
    End *end = &self->end;
    uint64_t tag = 0, deadline = ZINC_FOREVER;
    char *first = "";
    Py_ssize_t length = 0;
    if (count < 4 || count > 7)
        return PyErr_Format(PyExc_TypeError, "_send_parts() takes 4 to 7 arguments (%zd given)", count);
    if (!convert_tag(args[1], &tag) || !zinc_convert_timeout(args[2], &deadline)) return NULL;
    if (count > 4 && PyBytes_AsStringAndSize(args[4], &first, &length) < 0) return NULL;
    Region *region = NULL;
    Referred to = {.handle = NULL};
    if (count == 7 && args[5] != Py_None) {
        double seconds = PyFloat_AsDouble(args[6]);
        if (PyErr_Occurred()) return NULL;
        if (!PyObject_TypeCheck(args[5], (PyTypeObject *)end->state->region_type))
            return PyErr_Format(PyExc_TypeError, "a SharedRegion is needed, not %R", args[5]);
        region = (Region *)args[5];
        to.lease = seconds >= 0 && seconds < 1e10 ? (uint64_t)(seconds * 1e9) : UINT64_MAX;
        to.handle = region_begin(region);
        if (!to.handle) return NULL;
    }
    uint64_t number = 0;
    if (end_begin(end, "send to")) {
        number = PyObject_TypeCheck(args[0], (PyTypeObject *)end->state->parts_type)
                     ? send_parts(end, first, (size_t)length, (Parts *)args[0], tag, deadline)
                     : send_bytes(end, first, (size_t)length, args[0], tag, deadline, region ? &to : NULL);
        end_release(end);
    }
    if (region) region_end(region);
    PyObject *result = number ? PyLong_FromUnsignedLongLong(number) : NULL;
    if (result && PyList_Append(args[3], result) < 0) Py_CLEAR(result);
    return result;
}

PyDoc_STRVAR(filled_doc, "_filled($self, data, tag, /)\n--\n\n"
                         "A loan with `data` in it.");

static PyObject *writer_filled(Writer *self, PyObject *const *args, Py_ssize_t count) {
    uint64_t tag;
    if (count != 2) return PyErr_Format(PyExc_TypeError, "_filled() takes 2 arguments (%zd given)", count);
    if (!convert_tag(args[1], &tag)) return NULL;
    return end_begin(&self->end, "send to") ? filled(self, args[0], tag, 0) : NULL;
}

PyDoc_STRVAR(loan_doc,
             "loan($self, length=None, tag=0)\n--\n\n"
             "Take a slot on loan: `with channel.loan() as frame:`, and fill `frame.array` or\n"
             "`frame.data` in place. It is published at the end of the `with`.\n\n"
             "`length` is how many bytes the message will have, as many as fit by default; `tag` a\n"
             "number for its readers. The slot has whatever it had before. Raises ValueError for what\n"
             "does not fit and if it is closed, OSError (ENOBUFS) if more write, or hold loans, than the\n"
             "channel was made for.");

static PyObject *writer_loan(Writer *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
    static const char *const names[] = {"length", "tag", NULL};
    PyObject *values[2] = {NULL, NULL};
    uintptr_t length = 0;
    uint64_t tag = 0;
    if (!end_arguments("loan", names, 0, args, count, keywords, values)) return NULL;
    int is_whole = !values[0] || values[0] == Py_None;
    if (!is_whole && !zinc_convert_size(values[0], &length)) return NULL;
    if (values[1] && !convert_tag(values[1], &tag)) return NULL;
    if (!end_begin(&self->end, "take a loan of")) return NULL;
    ZincLoan loan;
    if (borrow(&self->end, &loan, ALL_OF_IT, 0) == 0) {
        if (is_whole) length = loan.capacity;
        if (length <= loan.capacity) return loan_new(&self->end, &loan, length, tag);
        raise_too_large(&self->end, "take a loan of", length, loan.capacity);
        loan_give_back(&self->end, &loan);
    }
    end_release(&self->end);
    return NULL;
}

PyDoc_STRVAR(wait_for_readers_doc,
             "wait_for_readers($self, n=1, timeout_ms=None)\n--\n\n"
             "Wait until `n` readers are there, so many milliseconds; None waits for ever.\n\n"
             "Readers that were killed do not count. Other threads run meanwhile, and Ctrl-C ends the\n"
             "wait. Raises TimeoutError if there were fewer all the time, ValueError if it is closed,\n"
             "meanwhile too.");

static PyObject *channel_wait_for_readers(End *self, PyObject *const *args, Py_ssize_t count,
                                          PyObject *keywords) {
    static const char *const names[] = {"n", "timeout_ms", NULL};
    PyObject *values[2] = {NULL, NULL};
    ZincWaitOptions wait = {
        .size = sizeof wait, .deadline_ns = ZINC_FOREVER, .flags = ZINC_WAIT_INTERRUPTIBLE};
    uint32_t wanted = 1;
    if (!end_arguments("wait_for_readers", names, 0, args, count, keywords, values)) return NULL;
    if (values[0] && !zinc_convert_count(values[0], &wanted)) return NULL;
    if (wanted == 0) return PyErr_Format(PyExc_ValueError, "n must be one or more, not %R", values[0]);
    if (values[1] && !zinc_convert_timeout(values[1], &wait.deadline_ns)) return NULL;
    if (!end_begin(self, "wait for readers of")) return NULL;
    int32_t status;
    int is_over = 0;
    do {
        Py_BEGIN_ALLOW_THREADS status = zinc_channel_wait_for_readers(self->region->handle, wanted, &wait);
        Py_END_ALLOW_THREADS if (self->uses & CLOSED) status = -ECANCELED;
        if (status == -EINTR) is_over = PyErr_CheckSignals() < 0;
    } while (status == -EINTR && !is_over);
    PyObject *title = status == -ETIMEDOUT ? end_title(self) : NULL;
    if (title)
        PyErr_Format(PyExc_TimeoutError, "wait for readers of %U: fewer than %u have come within %R ms",
                     title, wanted, values[1]);
    else if (status < 0 && !PyErr_Occurred())
        end_raise(self, status);
    Py_XDECREF(title);
    end_release(self);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(close_doc,
             "close($self)\n--\n\n"
             "Be done with it. Never raises; a second time does nothing.\n\n"
             "Its readers go on, and so do their messages; the name goes with the last who has the\n"
             "channel open. Loans can't be published any more. Sends of other threads that wait get\n"
             "ValueError.");

static PyMethodDef writer_methods[] = {
    {"send", (PyCFunction)(void (*)(void))writer_send, METH_FASTCALL | METH_KEYWORDS, send_doc},
    {"_send_parts", (PyCFunction)(void (*)(void))writer_send_parts, METH_FASTCALL, send_parts_doc},
    {"_filled", (PyCFunction)(void (*)(void))writer_filled, METH_FASTCALL, filled_doc},
    {"loan", (PyCFunction)(void (*)(void))writer_loan, METH_FASTCALL | METH_KEYWORDS, loan_doc},
    {"close", (PyCFunction)end_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef channel_methods[] = {
    {"wait_for_readers", (PyCFunction)(void (*)(void))channel_wait_for_readers, METH_FASTCALL | METH_KEYWORDS,
     wait_for_readers_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef writer_properties[] = {
    {"closed", (getter)end_closed, NULL, "True after close().", NULL},
    {"region", (getter)end_region, NULL, "The region that it is, whose data are the channel's own.", NULL},
    {"name", (getter)end_name, NULL, "Its name (str); None for an anonymous channel.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot writer_slots[] = {
    {Py_tp_new, writer_new},
    {Py_tp_dealloc, writer_dealloc},
    {Py_tp_methods, writer_methods},
    {Py_tp_getset, writer_properties},
    {Py_tp_doc, (void *)"What writes: of zinc.Channel and zinc.Queue."},
    {0, NULL},
};

PyType_Spec zinc_writer_spec = {
    .name = "zinc._zinc.Writer",
    .basicsize = sizeof(Writer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = writer_slots,
};

static PyType_Slot channel_slots[] = {
    {Py_tp_methods, channel_methods},
    {Py_tp_doc, (void *)"What zinc.Channel is made of."},
    {0, NULL},
};

PyType_Spec zinc_channel_spec = {
    .name = "zinc._zinc.Channel",
    .basicsize = sizeof(Writer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = channel_slots,
};
