/* Loan: a slot that a writer fills in place, and publishes. */
#include "channel.h"

#include <structmember.h>

typedef enum { OPEN, BUSY, PUBLISHED, DISCARDED } LoanState;

typedef struct {
    PyObject_HEAD End *writer;
    PyObject *slot, *view, *array; /* once somebody has asked for them */
    ZincLoan lent;
    ZincMessageHead head;
    unsigned era;
    SHARED char state; /* a LoanState */
} Loan;

PyObject *loan_new(End *writer, const ZincLoan *lent, uint64_t length, uint64_t tag) {
    Loan *self = PyObject_GC_New(Loan, (PyTypeObject *)writer->state->loan_type);
    if (!self) {
        loan_give_back(writer, lent);
        end_release(writer);
        return NULL;
    }
    self->writer = (End *)Py_NewRef((PyObject *)writer);
    self->slot = self->view = self->array = NULL;
    self->lent = *lent;
    self->head = (ZincMessageHead){.length = length, .tag = tag};
    self->era = fork_era();
    self->state = OPEN;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static const char *refusal(Loan *self) {
    if (self->era != fork_era()) return "it is the parent process's";
    if (self->state == BUSY) return "another thread publishes it";
    return self->state == PUBLISHED ? "it was published" : "it was discarded";
}

/* From open to `state`: 1, or 0 with an exception. */
static int leave_open(Loan *self, LoanState state) {
    const char *why = NULL;
    BEGIN_EXCLUSIVE(self);
    if (self->state != OPEN || self->era != fork_era())
        why = refusal(self);
    else
        self->state = (char)state;
    END_EXCLUSIVE();
    if (why) PyErr_Format(PyExc_ValueError, "the loan is over: %s", why);
    return !why;
}

/* What was taken of it can't be written through any more. Leaves an exception alone. */
static void seal(Loan *self) {
    PyObject *type, *value, *traceback, *result;
    PyErr_Fetch(&type, &value, &traceback);
    if (self->slot) slot_seal(self->slot);
    PyObject *set_flags = self->array ? PyObject_GetAttrString(self->array, "setflags") : NULL;
    if (set_flags) {
        result = PyObject_CallFunctionObjArgs(set_flags, Py_False, NULL);
        Py_XDECREF(result);
        Py_DECREF(set_flags);
    }
    if (self->view) {
        /* Not if something else was made of it, which then stays as it is. */
        result = PyObject_CallMethod(self->view, "release", NULL);
        Py_XDECREF(result);
    }
    PyErr_Clear();
    Py_CLEAR(self->array);
    Py_CLEAR(self->view);
    Py_CLEAR(self->slot);
    PyErr_Restore(type, value, traceback);
}

static void discard(Loan *self) {
    seal(self);
    if (self->era == fork_era()) loan_give_back(self->writer, &self->lent);
    end_release(self->writer);
}

static PyObject *publish(Loan *self, uint64_t deadline) {
    if (!leave_open(self, BUSY)) return NULL;
    int status = -1;
    if (end_begin(self->writer, "publish to")) {
        /* Before: a message is what it is from its first moment on. */
        seal(self);
        status = loan_publish(self->writer, &self->lent, &self->head, deadline, NULL);
        end_release(self->writer);
    }
    self->state = status == 0 ? PUBLISHED : OPEN;
    if (status < 0) return NULL;
    end_release(self->writer);
    return PyLong_FromUnsignedLongLong(self->head.number);
}

PyDoc_STRVAR(publish_doc,
             "publish($self, timeout_ms=None)\n--\n\n"
             "Publish it as the next message, whose number (int) it returns; `with` does it at its end.\n\n"
             "`array` and `data` can't be written from then on; what was sliced off them or made of them\n"
             "before is the caller's to leave alone. Where writers wait, it waits so many milliseconds\n"
             "for the slowest reader; None waits for ever.\n\n"
             "Raises TimeoutError if it was full all the time: it still is a loan then. ValueError if the\n"
             "loan is over or the channel is closed, meanwhile too.");

static PyObject *loan_publish_method(Loan *self, PyObject *const *args, Py_ssize_t count,
                                     PyObject *keywords) {
    static const char *const names[] = {"timeout_ms", NULL};
    PyObject *timeout = NULL;
    uint64_t deadline = ZINC_FOREVER;
    if (!end_arguments("publish", names, 0, args, count, keywords, &timeout)) return NULL;
    if (timeout && !zinc_convert_timeout(timeout, &deadline)) return NULL;
    return publish(self, deadline);
}

PyDoc_STRVAR(discard_doc,
             "discard($self)\n--\n\n"
             "Give it back unpublished, as an exception out of its `with` does. Nothing happens if the\n"
             "loan is over.");

static PyObject *loan_discard(Loan *self, PyObject *unused) {
    (void)unused;
    int is_ours = leave_open(self, DISCARDED);
    if (is_ours) discard(self);
    PyErr_Clear();
    Py_RETURN_NONE;
}

static PyObject *loan_enter(Loan *self, PyObject *unused) {
    (void)unused;
    return Py_NewRef((PyObject *)self);
}

static PyObject *loan_exit(Loan *self, PyObject *const *args, Py_ssize_t count) {
    if (self->state == PUBLISHED || self->state == DISCARDED) Py_RETURN_NONE; /* by hand */
    if (count > 0 && args[0] != Py_None) return loan_discard(self, NULL);
    PyObject *number = publish(self, ZINC_FOREVER);
    if (!number) {
        if (self->state == OPEN && self->era == fork_era()) {
            self->state = DISCARDED;
            discard(self);
        }
        return NULL;
    }
    Py_DECREF(number);
    Py_RETURN_NONE;
}

/* ---- what is in it ---- */

/* Who holds the memory for views and arrays, as long as it is a loan. */
static PyObject *loan_slot(Loan *self) {
    PyObject *result = NULL;
    const char *why = NULL;
    BEGIN_EXCLUSIVE(self);
    if (self->state != OPEN || self->era != fork_era()) why = refusal(self);
    if (!why && !self->slot)
        self->slot = slot_of_loan(self->writer, &self->lent, (Py_ssize_t)self->head.length);
    if (!why) result = Py_XNewRef(self->slot);
    END_EXCLUSIVE();
    if (why) PyErr_Format(PyExc_ValueError, "the loan is over: %s", why);
    return result;
}

/* What somebody has asked for already, or what `make` makes of the slot. */
static PyObject *made_once(Loan *self, PyObject **kept, PyObject *(*make)(Loan *self, PyObject *slot)) {
    PyObject *slot = loan_slot(self);
    if (!slot) return NULL;
    PyObject *made = *kept ? NULL : make(self, slot);
    PyObject *result;
    BEGIN_EXCLUSIVE(self);
    if (!*kept && made) *kept = Py_NewRef(made);
    result = Py_XNewRef(*kept);
    END_EXCLUSIVE();
    Py_XDECREF(made);
    Py_DECREF(slot);
    return result;
}

static PyObject *view_of(Loan *self, PyObject *slot) {
    (void)self;
    return PyMemoryView_FromObject(slot);
}

static PyObject *array_of(Loan *self, PyObject *slot) {
    return PyObject_CallFunctionObjArgs(self->writer->form, slot, NULL);
}

static PyObject *loan_data(Loan *self, void *unused) {
    (void)unused;
    return made_once(self, &self->view, view_of);
}

static PyObject *loan_array(Loan *self, void *unused) {
    (void)unused;
    return made_once(self, &self->array, array_of);
}

static int loan_set_length(Loan *self, PyObject *value, void *unused) {
    (void)unused;
    uintptr_t length;
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "a loan's length can't be deleted");
        return -1;
    }
    if (!zinc_convert_size(value, &length)) return -1;
    if (length > self->lent.capacity) {
        PyErr_Format(PyExc_ValueError, "length: %zu bytes, and the slot has %zu", (size_t)length,
                     (size_t)self->lent.capacity);
        return -1;
    }
    self->head.length = length;
    return 0;
}

static PyObject *loan_length(Loan *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->head.length);
}

static PyObject *loan_number(Loan *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->state == PUBLISHED ? self->head.number : 0);
}

/* ---- the type ---- */

static void loan_dealloc(Loan *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    if (self->state == OPEN) discard(self);
    Py_XDECREF(self->array);
    Py_XDECREF(self->view);
    Py_XDECREF(self->slot);
    Py_DECREF((PyObject *)self->writer);
    PyObject_GC_Del(self);
    Py_DECREF((PyObject *)type);
}

static int loan_traverse(Loan *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT((PyObject *)self->writer);
    Py_VISIT(self->slot);
    Py_VISIT(self->view);
    Py_VISIT(self->array);
    return 0;
}

static PyMethodDef loan_methods[] = {
    {"publish", (PyCFunction)(void (*)(void))loan_publish_method, METH_FASTCALL | METH_KEYWORDS, publish_doc},
    {"discard", (PyCFunction)loan_discard, METH_NOARGS, discard_doc},
    {"__enter__", (PyCFunction)loan_enter, METH_NOARGS, "__enter__($self)\n--\n\nThe loan itself."},
    {"__exit__", (PyCFunction)(void (*)(void))loan_exit, METH_FASTCALL,
     "Publish it, by publish(); after an exception discard it."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef loan_members[] = {
    {"tag", T_ULONGLONG, offsetof(Loan, head) + offsetof(ZincMessageHead, tag), 0,
     "The number for the message's readers (int), which may be set."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef loan_properties[] = {
    {"_number", (getter)loan_number, NULL, "Its message's number (int); 0 until it is published.", NULL},
    {"data", (getter)loan_data, NULL,
     "Its bytes where they are (a writable memoryview), until it is published or discarded: then\n"
     "asking for them and touching them raise ValueError.",
     NULL},
    {"array", (getter)loan_array, NULL,
     "The same as an array of the channel's shape and dtype, or of bytes where it has none. It is\n"
     "read-only once the loan is over, and asking for it raises ValueError. Imports numpy.",
     NULL},
    {"length", (getter)loan_length, (setter)loan_set_length,
     "How many bytes the message will have (int), which may be set. Raises ValueError for more\n"
     "than the slot has.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot loan_slots[] = {
    {Py_tp_dealloc, loan_dealloc},
    {Py_tp_traverse, loan_traverse},
    {Py_tp_methods, loan_methods},
    {Py_tp_members, loan_members},
    {Py_tp_getset, loan_properties},
    {Py_tp_doc, (void *)"A slot that its writer fills in place; see `Channel.loan`.\n\n"
                        "Any thread may use it. A forked child has none of its parent's."},
    {0, NULL},
};

PyType_Spec zinc_loan_spec = {
    .name = "zinc.Loan",
    .basicsize = sizeof(Loan),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = loan_slots,
};
