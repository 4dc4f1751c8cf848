/*
 * Message: one that was received, and Slot: what arrays and memoryviews of it hold. The message gives
 * its slot back itself, unless somebody looked into it: then the Slot does, once the last who looks
 * is gone. Slots of loans hold the memory alone.
 */
#include "channel.h"
#include "object.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD End *reader; /* whose message it is; null for a loan's */
    Region *region;            /* whose memory it is, where there is no reader */
    void *data;
    Py_ssize_t length;
    uint32_t view, holder; /* of the message */
    SHARED char is_readonly;
} Slot;

static void give_back(End *reader, uint32_t view, uint32_t holder) {
    ZincMessage message = {.view = view, .reader = holder};
    zinc_reader_release(reader->core, &message);
    end_release(reader);
}

static Slot *slot_new(ModuleState *state) {
    Slot *self = PyObject_GC_New(Slot, (PyTypeObject *)state->slot_type);
    if (!self) return NULL;
    self->reader = NULL;
    self->region = NULL;
    self->is_readonly = 1;
    PyObject_GC_Track(self);
    return self;
}

PyObject *slot_of_loan(End *writer, const ZincLoan *loan, Py_ssize_t length) {
    if (!region_begin(writer->region)) return NULL;
    Slot *self = slot_new(writer->state);
    if (!self) {
        region_end(writer->region);
        return NULL;
    }
    self->region = (Region *)Py_NewRef((PyObject *)writer->region);
    self->data = loan->data;
    self->length = length;
    self->is_readonly = 0;
    return (PyObject *)self;
}

void slot_seal(PyObject *slot) { ((Slot *)slot)->is_readonly = 1; }

static int slot_getbuffer(Slot *self, Py_buffer *view, int flags) {
    return PyBuffer_FillInfo(view, (PyObject *)self, self->data, self->length, self->is_readonly, flags);
}

static void slot_dealloc(Slot *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    if (self->reader) {
        give_back(self->reader, self->view, self->holder);
        Py_DECREF((PyObject *)self->reader);
    } else if (self->region) {
        region_end(self->region);
        Py_DECREF((PyObject *)self->region);
    }
    PyObject_GC_Del(self);
    Py_DECREF((PyObject *)type);
}

/* An attribute of a reader's subclass may hold an array. */
static int slot_traverse(Slot *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT((PyObject *)self->reader);
    Py_VISIT((PyObject *)self->region);
    return 0;
}

static PyType_Slot slot_slots[] = {
    {Py_tp_dealloc, slot_dealloc},
    {Py_tp_traverse, slot_traverse},
    {Py_bf_getbuffer, slot_getbuffer},
    {Py_tp_doc, (void *)"What arrays and memoryviews of a message or a loan hold."},
    {0, NULL},
};

PyType_Spec zinc_slot_spec = {
    .name = "zinc._zinc.Slot",
    .basicsize = sizeof(Slot),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slot_slots,
};

/* ---- Message ---- */

typedef struct {
    PyObject_HEAD End *reader;
    PyObject *slot; /* which holds it, once somebody has looked into it */
    ZincMessage received;
    char is_held; /* by this object alone */
    char is_released;
} Message;

PyObject *message_new(End *reader, const ZincMessage *received) {
    Message *self = EXCHANGE(reader->spare, NULL);
    if (self)
        PyObject_Init((PyObject *)self, (PyTypeObject *)reader->state->message_type);
    else
        self = PyObject_GC_New(Message, (PyTypeObject *)reader->state->message_type);
    if (!self) {
        give_back(reader, received->view, received->reader);
        return NULL;
    }
    self->reader = (End *)Py_NewRef((PyObject *)reader);
    self->slot = NULL;
    self->received = *received;
    self->is_held = 1;
    self->is_released = 0;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* Gives up its own hold. */
static void message_let_go(Message *self) {
    PyObject *slot;
    char is_held;
    BEGIN_EXCLUSIVE(self);
    slot = self->slot;
    is_held = self->is_held;
    self->slot = NULL;
    self->is_held = 0;
    self->is_released = 1;
    END_EXCLUSIVE();
    if (is_held) give_back(self->reader, self->received.view, self->received.reader);
    Py_XDECREF(slot);
}

/* Leaves the object for the reader's next message, if there is none yet. */
static void message_dealloc(Message *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    End *reader = self->reader;
    PyObject_GC_UnTrack(self);
    if (self->is_held) give_back(reader, self->received.view, self->received.reader);
    Py_XDECREF(self->slot);
    Message *other = EXCHANGE(reader->spare, self);
    if (other) PyObject_GC_Del(other);
    Py_DECREF((PyObject *)type);
    Py_DECREF((PyObject *)reader);
}

static int message_traverse(Message *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT((PyObject *)self->reader);
    Py_VISIT(self->slot);
    return 0;
}

static PyObject *message_slot(Message *self) {
    PyObject *result = NULL;
    int is_released;
    BEGIN_EXCLUSIVE(self);
    is_released = self->is_released;
    if (!is_released && !self->slot) {
        Slot *slot = slot_new(self->reader->state);
        if (slot) {
            slot->reader = (End *)Py_NewRef((PyObject *)self->reader);
            slot->data = (void *)self->received.data;
            slot->length = (Py_ssize_t)self->received.head.length;
            slot->view = self->received.view;
            slot->holder = self->received.reader;
            self->slot = (PyObject *)slot;
            self->is_held = 0;
        }
    }
    if (self->slot) result = Py_NewRef(self->slot);
    END_EXCLUSIVE();
    if (is_released)
        PyErr_Format(PyExc_ValueError,
                     "message %llu was released: take .data or .array before, they stay valid",
                     (unsigned long long)self->received.head.number);
    return result;
}

static PyObject *message_data(Message *self, void *unused) {
    (void)unused;
    PyObject *slot = message_slot(self);
    PyObject *view = slot ? PyMemoryView_FromObject(slot) : NULL;
    Py_XDECREF(slot);
    return view;
}

static PyObject *message_array(Message *self, void *unused) {
    (void)unused;
    PyObject *slot = message_slot(self);
    PyObject *array = slot ? PyObject_CallFunctionObjArgs(self->reader->form, slot, NULL) : NULL;
    Py_XDECREF(slot);
    return array;
}

/* Says of an exception which message it is about. */
static void note(Message *self) {
    PyObject *type, *error, *traceback, *noted = NULL;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    PyObject *title = end_title(self->reader);
    if (title)
        noted =
            PyUnicode_FromFormat("message %llu of %U", (unsigned long long)self->received.head.number, title);
    PyObject *done = noted && error ? PyObject_CallMethod(error, "add_note", "O", noted) : NULL;
    PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(noted);
    Py_XDECREF(title);
    PyErr_Restore(type, error, traceback);
}

PyDoc_STRVAR(object_doc,
             "object($self)\n--\n\n"
             "Load the object that `send_object` sent.\n\n"
             "Its arrays, of numpy, pandas, pyarrow or polars, are where the message is, read-only, and\n"
             "each holds the message as long as it lives. All else is made anew, each time. To load a\n"
             "pickle runs what it says: take objects from those alone whom you would let run code here.\n\n"
             "Raises ValueError if the message is none or damaged, or was released, pickle.UnpicklingError\n"
             "if what it refers to is gone, and what unpickling its classes raises.");

static PyObject *message_object(Message *self, PyObject *unused) {
    (void)unused;
    PyObject *slot = message_slot(self);
    if (!slot) return NULL;
    PyObject *object =
        object_load(self->reader->state, slot, 0, Py_None, (unsigned long long)self->received.head.number);
    if (!object) note(self);
    Py_DECREF(slot);
    return object;
}

PyDoc_STRVAR(release_doc,
             "release($self)\n--\n\n"
             "Give the message back, as its end does; never raises, and a second time does nothing.\n\n"
             "Arrays and memoryviews that were taken stay as they are, and hold its slot as long as\n"
             "they live. `data` and `array` raise ValueError from now on.");

static PyObject *message_release(Message *self, PyObject *unused) {
    (void)unused;
    message_let_go(self);
    Py_RETURN_NONE;
}

static PyObject *message_enter(Message *self, PyObject *unused) {
    (void)unused;
    return Py_NewRef((PyObject *)self);
}

static PyObject *message_exit(Message *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    return message_release(self, NULL);
}

static Py_ssize_t message_length(Message *self) { return (Py_ssize_t)self->received.head.length; }

static PyObject *message_repr(Message *self) {
    return PyUnicode_FromFormat("<zinc.Message %llu, %zd bytes, tag %llu%s>",
                                (unsigned long long)self->received.head.number, message_length(self),
                                (unsigned long long)self->received.head.tag,
                                self->is_released ? ", released" : "");
}

static PyMethodDef message_methods[] = {
    {"object", (PyCFunction)message_object, METH_NOARGS, object_doc},
    {"release", (PyCFunction)message_release, METH_NOARGS, release_doc},
    {"__enter__", (PyCFunction)message_enter, METH_NOARGS, "__enter__($self)\n--\n\nThe message itself."},
    {"__exit__", (PyCFunction)(void (*)(void))message_exit, METH_FASTCALL, "Give it back, by release()."},
    {NULL, NULL, 0, NULL},
};

#define HEAD(field)                                                                                          \
    offsetof(Message, received) + offsetof(ZincMessage, head) + offsetof(ZincMessageHead, field)

static PyMemberDef message_members[] = {
    {"number", T_ULONGLONG, HEAD(number), READONLY, "Its number (int), from 1 and without gaps."},
    {"time", T_ULONGLONG, HEAD(time), READONLY, "When it was sent (int), in nanoseconds since 1970."},
    {"tag", T_ULONGLONG, HEAD(tag), READONLY, "The number that its sender has given it (int)."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef message_properties[] = {
    {"data", (getter)message_data, NULL,
     "Its bytes where they are: a read-only memoryview, which holds the message as long as it or\n"
     "anything that is made of it lives. Raises ValueError once the message was released.",
     NULL},
    {"array", (getter)message_array, NULL,
     "The same as a read-only array, of the channel's shape and dtype, or of bytes where it has\n"
     "none. Raises ValueError once the message was released. Imports numpy.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot message_slots[] = {
    {Py_tp_dealloc, message_dealloc},
    {Py_tp_traverse, message_traverse},
    {Py_tp_repr, message_repr},
    {Py_tp_methods, message_methods},
    {Py_tp_members, message_members},
    {Py_tp_getset, message_properties},
    {Py_mp_length, message_length},
    {Py_tp_doc,
     (void *)"A message that a reader holds, where it is in shared memory; len() is its bytes.\n\n"
             "It stays as it is until the object and every array and memoryview of it are gone. A\n"
             "reader holds as many as its channel was made for. Any thread may use it. In a forked\n"
             "child it is no longer held."},
    {0, NULL},
};

PyType_Spec zinc_message_spec = {
    .name = "zinc.Message",
    .basicsize = sizeof(Message),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = message_slots,
};
