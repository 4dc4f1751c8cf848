/*
 * Message: one that was received, and Slot: what arrays and memoryviews of it hold. The message gives
 * its slot back itself, unless somebody looked into it: then the Slot does, once the last who looks
 * is gone. Slots of loans hold the memory alone.
 *
 * A message of a queue also says what becomes of it. That it is done it says at once, whoever still
 * looks; to others it goes back once nobody does.
 */
#include "channel.h"
#include "object.h"

#include <string.h>
#include <structmember.h>

typedef struct {
    PyObject_HEAD End *reader; /* whose message it is; null for a loan's */
    Region *region;            /* whose memory it is, where there is no reader */
    void *data;
    Py_ssize_t length;
    Received received;
    SHARED char is_readonly;
    char ending; /* as its message has said */
} Slot;

_Static_assert(offsetof(ZincMessage, head) == offsetof(ZincTask, head), "a union of both");
_Static_assert(offsetof(ZincMessage, view) == offsetof(ZincTask, slot), "a union of both");
_Static_assert(offsetof(ZincMessage, reader) == offsetof(ZincTask, worker), "a union of both");

typedef enum { DONE, GIVEN_BACK, LEFT } Ending;

/* Of a queue; nothing happens in a forked child, whose parent has it. */
static void end_task(End *worker, const ZincTask *task, Ending ending, int is_finished) {
    if (ending == GIVEN_BACK)
        (void)zinc_worker_give_back(worker->core, task);
    else if (ending == DONE && is_finished)
        (void)zinc_worker_release(worker->core, task);
    else if (ending == DONE)
        (void)zinc_worker_done(worker->core, task);
    worker->messages--;
}

static inline void end_hold(End *reader, const Received *received, Ending ending, int is_finished) {
    if (reader->is_queue)
        end_task(reader, &received->task, ending, is_finished);
    else
        zinc_reader_release(reader->core, &received->message);
    end_release(reader);
}

static Slot *slot_new(ModuleState *state) {
    Slot *self = PyObject_GC_New(Slot, (PyTypeObject *)state->slot_type);
    if (!self) return NULL;
    self->reader = NULL;
    self->region = NULL;
    self->is_readonly = 1;
    self->ending = LEFT;
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
        end_hold(self->reader, &self->received, (Ending)self->ending, 1);
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
    PyObject *slot;  /* which holds it, once somebody has looked into it */
    PyObject *taken; /* of a queue: what is to be given back once it is done, or null */
    Received received;
    char is_held; /* by this object alone */
    char is_released;
    char leaves;
} Message;

PyObject *message_new(End *reader, const Received *received) {
    Message *self = EXCHANGE(reader->spare, NULL);
    if (self)
        PyObject_Init((PyObject *)self, (PyTypeObject *)reader->state->message_type);
    else
        self = PyObject_GC_New(Message, (PyTypeObject *)reader->state->message_type);
    if (!self) {
        if (reader->is_queue) reader->messages++;
        end_hold(reader, received, DONE, 0);
        return NULL;
    }
    if (reader->is_queue) reader->messages++;
    self->reader = (End *)Py_NewRef((PyObject *)reader);
    self->slot = self->taken = NULL;
    self->received = *received;
    self->is_held = 1;
    self->is_released = self->leaves = 0;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

void message_claim(PyObject *message) { ((Message *)message)->leaves = ((Message *)message)->reader->leaves; }

/*
 * The ticket of an object in a region of its own that nobody has loaded, as a list; NULL for any other
 * message. Not those of what it refers to: only who loads it knows them.
 */
static PyObject *ticket_unloaded(const Message *self) {
    const char *bytes = self->received.message.data;
    uint64_t length = self->received.message.head.length, identity;
    if (length <= OBJECT_HEAD || memcmp(bytes, RECORD, 8) != 0) return NULL;
    memcpy(&identity, bytes + 8, sizeof identity);
    return Py_BuildValue("[(s#K)]", bytes + OBJECT_HEAD, (Py_ssize_t)(length - OBJECT_HEAD),
                         (unsigned long long)identity);
}

/* Nobody loads it again: regions that it refers to need not be kept. */
static void give_tickets_back(Message *self, PyObject *taken) {
    PyObject *give_back = object_helper(&self->reader->state->give_back, "zinc._objects", "give_back");
    PyObject *done = give_back ? PyObject_CallFunctionObjArgs(give_back, taken, NULL) : NULL;
    Py_XDECREF(done);
    PyErr_Clear(); /* they are kept for a while, then */
}

/* Gives up its own hold. Leaves an exception alone. */
static void message_let_go(Message *self, Ending ending) {
    PyObject *slot, *taken, *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    char is_held;
    BEGIN_EXCLUSIVE(self);
    slot = self->slot;
    taken = self->taken;
    is_held = self->is_held;
    self->slot = self->taken = NULL;
    self->is_held = 0;
    self->is_released = 1;
    END_EXCLUSIVE();
    End *reader = self->reader;
    int is_done = reader->is_queue && ending == DONE && (slot || is_held);
    if (is_done && !taken) taken = ticket_unloaded(self); /* as long as it is there */
    if (slot) {
        ((Slot *)slot)->ending = (char)ending;
        if (reader->is_queue && ending == DONE) (void)zinc_worker_finish(reader->core, &self->received.task);
    }
    if (is_held) end_hold(reader, &self->received, ending, 0);
    if (taken && is_done) give_tickets_back(self, taken);
    Py_XDECREF(taken);
    Py_XDECREF(slot);
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

/*
 * Leaves the object for the reader's next message, if there is none yet. One that nobody has looked
 * into as an exception drops it is not done: Ctrl-C has come before it was anybody's.
 */
static void message_dealloc(Message *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    End *reader = self->reader;
    PyObject_GC_UnTrack(self);
    if (self->is_held || self->slot)
        message_let_go(self, self->leaves ? LEFT : self->is_held && PyErr_Occurred() ? GIVEN_BACK : DONE);
    Message *other = EXCHANGE(reader->spare, self);
    if (other) PyObject_GC_Del(other);
    Py_DECREF((PyObject *)type);
    Py_DECREF((PyObject *)reader);
}

static int message_traverse(Message *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT((PyObject *)self->reader);
    Py_VISIT(self->slot);
    Py_VISIT(self->taken);
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
            slot->data = (void *)self->received.message.data;
            slot->length = (Py_ssize_t)self->received.message.head.length;
            slot->received = self->received;
            self->slot = (PyObject *)slot;
            self->is_held = 0;
        }
    }
    if (self->slot) result = Py_NewRef(self->slot);
    END_EXCLUSIVE();
    if (is_released)
        PyErr_Format(PyExc_ValueError,
                     "message %llu was released: take .data or .array before, they stay valid",
                     (unsigned long long)self->received.message.head.number);
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
        noted = PyUnicode_FromFormat("message %llu of %U, with tag %llu",
                                     (unsigned long long)self->received.message.head.number, title,
                                     (unsigned long long)self->received.message.head.tag);
    PyObject *done = noted && error ? PyObject_CallMethod(error, "add_note", "O", noted) : NULL;
    PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(noted);
    Py_XDECREF(title);
    PyErr_Restore(type, error, traceback);
}

PyDoc_STRVAR(object_doc,
             "object($self)\n--\n\n"
             "Load the object that `send_object`, or `put` of a queue, sent.\n\n"
             "Its arrays, of numpy, pandas, pyarrow or polars, are where the message is, read-only, and\n"
             "each holds the message as long as it lives. All else is made anew, each time. To load a\n"
             "pickle runs what it says: take objects from those alone whom you would let run code here.\n\n"
             "Raises ValueError if the message is none or damaged, or was released, pickle.UnpicklingError\n"
             "if what it refers to is gone, and what unpickling its classes raises.");

static PyObject *message_object(Message *self, PyObject *unused) {
    (void)unused;
    PyObject *slot = message_slot(self);
    if (!slot) return NULL;
    End *reader = self->reader;
    int is_copied = reader->is_queue && reader->messages > reader->views;
    /* Whose tickets somebody else gives back, for a channel. */
    PyObject *taken = reader->is_queue ? PyList_New(0) : Py_NewRef(Py_None), *object = NULL;
    if (taken)
        object = object_load(reader->state, slot, is_copied, taken,
                             (unsigned long long)self->received.message.head.number);
    if (!object) note(self);
    if (taken && reader->is_queue && PyList_Size(taken) > 0) {
        PyObject *before = NULL;
        BEGIN_EXCLUSIVE(self);
        /* Once, however often it is loaded; one that failed may not have come to all. */
        if (!self->is_released && (!self->taken || PyList_Size(self->taken) < PyList_Size(taken))) {
            before = self->taken;
            self->taken = Py_NewRef(taken);
        }
        END_EXCLUSIVE();
        Py_XDECREF(before);
    }
    Py_XDECREF(taken);
    Py_DECREF(slot);
    return object;
}

PyDoc_STRVAR(release_doc,
             "release($self)\n--\n\n"
             "Give the message back, as its end does; never raises, and a second time does nothing.\n\n"
             "A message of a queue is done then, for all: nobody else gets it any more.\n\n"
             "Arrays and memoryviews that were taken stay as they are, and hold its slot as long as\n"
             "they live. `data` and `array` raise ValueError from now on.");

static PyObject *message_release(Message *self, PyObject *unused) {
    (void)unused;
    message_let_go(self, DONE);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(give_back_doc,
             "give_back($self)\n--\n\n"
             "Leave a message of a queue to others, undone, whose `redelivered` is one more then.\n\n"
             "So does an exception out of its `with`. To this process it comes again only once others\n"
             "have had 20 milliseconds for it. Where arrays and memoryviews of it live, it goes with the\n"
             "last of them. Of a queue that gives each item once at most, and of a channel, it is\n"
             "release(). Never raises, and nothing happens after that one.");

static PyObject *message_give_back(Message *self, PyObject *unused) {
    (void)unused;
    message_let_go(self, GIVEN_BACK);
    Py_RETURN_NONE;
}

static PyObject *message_enter(Message *self, PyObject *unused) {
    (void)unused;
    return Py_NewRef((PyObject *)self);
}

static PyObject *message_exit(Message *self, PyObject *const *args, Py_ssize_t count) {
    message_let_go(self, count > 0 && args[0] != Py_None ? GIVEN_BACK : DONE);
    Py_RETURN_NONE;
}

static Py_ssize_t message_length(Message *self) { return (Py_ssize_t)self->received.message.head.length; }

static PyObject *message_repr(Message *self) {
    return PyUnicode_FromFormat("<zinc.Message %llu, %zd bytes, tag %llu%s>",
                                (unsigned long long)self->received.message.head.number, message_length(self),
                                (unsigned long long)self->received.message.head.tag,
                                self->is_released ? ", released" : "");
}

static PyMethodDef message_methods[] = {
    {"object", (PyCFunction)message_object, METH_NOARGS, object_doc},
    {"release", (PyCFunction)message_release, METH_NOARGS, release_doc},
    {"give_back", (PyCFunction)message_give_back, METH_NOARGS, give_back_doc},
    {"__enter__", (PyCFunction)message_enter, METH_NOARGS, "__enter__($self)\n--\n\nThe message itself."},
    {"__exit__", (PyCFunction)(void (*)(void))message_exit, METH_FASTCALL,
     "End it: by release(), and of a queue after an\nexception by give_back()."},
    {NULL, NULL, 0, NULL},
};

#define HEAD(field) offsetof(Message, received) + offsetof(ZincTask, head) + offsetof(ZincMessageHead, field)

static PyMemberDef message_members[] = {
    {"number", T_ULONGLONG, HEAD(number), READONLY, "Its number (int), from 1 and without gaps."},
    {"time", T_ULONGLONG, HEAD(time), READONLY, "When it was sent (int), in nanoseconds since 1970."},
    {"tag", T_ULONGLONG, HEAD(tag), READONLY, "The number that its sender has given it (int)."},
    {"redelivered", T_UINT, offsetof(Message, received) + offsetof(ZincTask, redelivered), READONLY,
     "Of a queue: how many had it before, and were killed at work on it or gave it back (int); 7 for\n"
     "more, too. 0 of a channel."},
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
             "child it is no longer held. One of a queue is at work until it is released, or its object\n"
             "gone."},
    {0, NULL},
};

PyType_Spec zinc_message_spec = {
    .name = "zinc.Message",
    .basicsize = sizeof(Message),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = message_slots,
};
