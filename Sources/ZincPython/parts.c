/* Parts: a pickled object that waits to be written; and Later, what stands for bytes not yet there. */
#include "object.h"

#include <string.h>
#include <structmember.h>

/* So many bytes take longer to copy than other threads are to wait. */
enum { LONG_COPY = 1 << 18 };

/* ---- Later ---- */

typedef struct {
    PyObject_HEAD Py_ssize_t size; /* or LATER_REGION or LATER_BYTES */
    PyObject *what;                /* the region, or the bytes; else called with memory to be filled */
} Later;

static PyObject *later_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    (void)keywords;
    Py_ssize_t size;
    PyObject *what;
    if (!PyArg_ParseTuple(args, "nO:Later", &size, &what)) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Later *self = (Later *)allocate(type, 0);
    if (!self) return NULL;
    self->size = size;
    self->what = Py_NewRef(what);
    return (PyObject *)self;
}

Py_ssize_t later_size(PyObject *later) { return ((Later *)later)->size; }

PyObject *later_region(PyObject *later) { return ((Later *)later)->what; }

PyObject *later_write(PyObject *later, void *memory) {
    Later *self = (Later *)later;
    PyObject *view = PyMemoryView_FromMemory(memory, self->size, PyBUF_WRITE);
    PyObject *result = view ? PyObject_CallFunctionObjArgs(self->what, view, NULL) : NULL;
    Py_XDECREF(view);
    return result;
}

/* Nothing, and writable: to pickle, what may only be read is another kind. */
static int later_getbuffer(Later *self, Py_buffer *view, int flags) {
    static char nothing[1];
    return PyBuffer_FillInfo(view, (PyObject *)self, nothing, 0, 0, flags);
}

static int later_traverse(Later *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->what);
    return 0;
}

static int later_clear(Later *self) {
    Py_CLEAR(self->what);
    return 0;
}

static void later_dealloc(Later *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->what);
    PyObject_GC_Del(self);
    Py_DECREF((PyObject *)type);
}

static PyType_Slot later_slots[] = {
    {Py_tp_new, later_new},
    {Py_tp_dealloc, later_dealloc},
    {Py_tp_traverse, later_traverse},
    {Py_tp_clear, later_clear},
    {Py_bf_getbuffer, later_getbuffer},
    {Py_tp_doc, (void *)"What is pickled in the place of bytes that are written later."},
    {0, NULL},
};

PyType_Spec zinc_later_spec = {
    .name = "zinc._zinc.Later",
    .basicsize = sizeof(Later),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = later_slots,
};

/* ---- what there is ---- */

Part *parts_add(Parts *self) {
    if (self->count == self->room) {
        Py_ssize_t room = self->room ? 2 * self->room : 4;
        Part *parts = PyMem_Realloc(self->parts, (size_t)room * sizeof *parts);
        if (!parts) return (Part *)PyErr_NoMemory();
        self->parts = parts;
        self->room = room;
    }
    Part *part = &self->parts[self->count];
    memset(part, 0, sizeof *part);
    return part;
}

void parts_empty(Parts *self) {
    Part *parts = self->parts;
    Py_ssize_t count = self->count;
    self->parts = NULL;
    self->count = self->room = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (parts[i].bytes.obj) PyBuffer_Release(&parts[i].bytes);
        Py_XDECREF(parts[i].later);
    }
    PyMem_Free(parts);
}

int parts_have(const Parts *self, int kind) {
    int have = 0;
    for (Py_ssize_t i = 0; i < self->count; i++) have |= (int)self->parts[i].kind == kind;
    return have;
}

static int has_size(const Part *part) { return part->kind == BUFFER || part->kind == LATER; }

static uint64_t size_of(const Part *part) {
    return (uint64_t)(part->kind == LATER ? later_size(part->later) : part->bytes.len);
}

int parts_finish(Parts *self) {
    self->stream = self->buffers = 0;
    for (Py_ssize_t i = 0; i < self->count; i++) {
        if (self->parts[i].kind == STREAM)
            self->stream += (uint64_t)self->parts[i].bytes.len;
        else
            self->buffers++;
    }
    self->size = OBJECT_HEAD + 8 * self->buffers + self->stream;
    for (Py_ssize_t i = 0; i < self->count; i++) {
        if (!has_size(&self->parts[i])) continue;
        self->size = aligned(self->size) + size_of(&self->parts[i]);
        if (self->size > PY_SSIZE_T_MAX - 64) {
            PyErr_SetString(PyExc_OverflowError, "an object of more bytes than there are addresses");
            return -1;
        }
    }
    return 0;
}

void object_copy(void *to, const void *from, uint64_t size) {
    if (size >= LONG_COPY) {
        Py_BEGIN_ALLOW_THREADS memcpy(to, from, size);
        Py_END_ALLOW_THREADS
    } else if (size > 0) {
        memcpy(to, from, size);
    }
}

static char *put(char *at, uint64_t number) {
    memcpy(at, &number, sizeof number);
    return at + sizeof number;
}

/* Bytes before the stream. */
static size_t head_size(const Parts *self) { return OBJECT_HEAD + 8 * (size_t)self->buffers; }

static void write_head(const Parts *self, char *at) {
    memcpy(at, MAGIC, 8);
    at = put(put(at + 8, self->stream), self->buffers);
    for (Py_ssize_t i = 0; i < self->count; i++) {
        const Part *part = &self->parts[i];
        if (part->kind != STREAM) at = put(at, part->kind == REGION ? TICKET : size_of(part));
    }
}

/* Where the next part lies: `stream` and `buffers` are where the last of each has ended. */
static uint64_t place(const Part *part, uint64_t *stream, uint64_t *buffers) {
    uint64_t *end = part->kind == STREAM ? stream : buffers;
    uint64_t start = part->kind == STREAM ? *end : aligned(*end);
    *end = start + size_of(part);
    return start;
}

int parts_write(Parts *self, void *memory) {
    char *start = memory;
    uint64_t stream = head_size(self), buffers = stream + self->stream;
    write_head(self, start);
    for (Py_ssize_t i = 0; i < self->count; i++) {
        const Part *part = &self->parts[i];
        if (part->kind == STREAM || part->kind == BUFFER)
            object_copy(start + place(part, &stream, &buffers), part->bytes.buf, size_of(part));
        else if (part->kind == LATER)
            place(part, &stream, &buffers);
    }
    return parts_write_later(self, memory);
}

int parts_write_later(Parts *self, void *memory) {
    uint64_t stream = head_size(self), buffers = stream + self->stream;
    for (Py_ssize_t i = 0; i < self->count; i++) {
        const Part *part = &self->parts[i];
        if (part->kind == REGION) continue;
        uint64_t at = place(part, &stream, &buffers);
        if (part->kind != LATER || size_of(part) == 0) continue;
        PyObject *done = later_write(part->later, (char *)memory + at);
        if (!done) return -1;
        Py_DECREF(done);
    }
    return 0;
}

ZincPiece *parts_pieces(Parts *self, uintptr_t *count) {
    size_t most = 1 + (size_t)self->count;
    ZincPiece *pieces = PyMem_Malloc(most * sizeof *pieces + head_size(self));
    if (!pieces) return (ZincPiece *)PyErr_NoMemory();
    char *head = (char *)(pieces + most);
    uint64_t stream = head_size(self), buffers = stream + self->stream;
    write_head(self, head);
    pieces[0] = (ZincPiece){head, head_size(self), 0};
    *count = 1;
    for (Py_ssize_t i = 0; i < self->count; i++) {
        const Part *part = &self->parts[i];
        if (part->kind == REGION) continue;
        uint64_t at = place(part, &stream, &buffers);
        if (part->kind != LATER)
            pieces[(*count)++] = (ZincPiece){part->bytes.buf, (uintptr_t)part->bytes.len, at};
    }
    return pieces;
}

/* ---- the type ---- */

PyDoc_STRVAR(write_into_doc, "write_into($self, view, /)\n--\n\n"
                             "Write it into writable memory of `size` bytes, which begins at a multiple of\n"
                             "64. Raises ValueError for less memory.");

static PyObject *parts_write_into(Parts *self, PyObject *memory) {
    Py_buffer view;
    if (PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE) < 0) return NULL;
    int status = -1;
    if ((uint64_t)view.len < self->size)
        PyErr_Format(PyExc_ValueError, "write an object of %llu bytes: there are %zd",
                     (unsigned long long)self->size, view.len);
    else
        status = parts_write(self, view.buf);
    PyBuffer_Release(&view);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* The pickler's: a piece of the stream, or of what the stream has; held, and not copied here. */
static PyObject *parts_stream(Parts *self, PyObject *bytes) {
    Part *part = parts_add(self);
    if (!part || PyObject_GetBuffer(bytes, &part->bytes, PyBUF_SIMPLE) < 0) return NULL;
    part->kind = STREAM;
    self->count++;
    Py_RETURN_NONE;
}

/* The pickler's: a buffer that does not go into the stream, which None says. */
static PyObject *parts_buffer(Parts *self, PyObject *buffer) {
    ModuleState *state = module_state_of(Py_TYPE((PyObject *)self));
    Part *part = state ? parts_add(self) : NULL;
    if (!part || PyObject_GetBuffer(buffer, &part->bytes, PyBUF_ANY_CONTIGUOUS) < 0) return NULL;
    part->kind = BUFFER;
    PyObject *of = part->bytes.obj;
    if (of && Py_TYPE(of) == (PyTypeObject *)state->later_type) {
        Later *later = (Later *)Py_NewRef(of);
        PyBuffer_Release(&part->bytes);
        if (later->size == LATER_BYTES) {
            int status = PyObject_GetBuffer(later->what, &part->bytes, PyBUF_ANY_CONTIGUOUS);
            Py_DECREF((PyObject *)later);
            if (status < 0) return NULL;
        } else {
            part->later = (PyObject *)later;
            part->kind = later->size == LATER_REGION ? REGION : LATER;
        }
    }
    self->count++;
    Py_RETURN_NONE;
}

static PyObject *parts_regions(Parts *self, void *unused) {
    (void)unused;
    PyObject *regions = PyList_New(0);
    for (Py_ssize_t i = 0; regions && i < self->count; i++)
        if (self->parts[i].kind == REGION && PyList_Append(regions, later_region(self->parts[i].later)) < 0)
            Py_CLEAR(regions);
    return regions;
}

static PyObject *parts_size(Parts *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->size);
}

static PyObject *parts_has_regions(Parts *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(parts_have(self, REGION));
}

static int parts_clear(Parts *self) {
    parts_empty(self);
    Py_CLEAR(self->pickler);
    Py_CLEAR(self->dump);
    Py_CLEAR(self->clear);
    Py_CLEAR(self->table);
    Py_CLEAR(self->registered);
    Py_CLEAR(self->tickets);
    return 0;
}

static void parts_dealloc(Parts *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    parts_clear(self);
    freefunc deallocate = (freefunc)PyType_GetSlot(type, Py_tp_free);
    deallocate(self);
    Py_DECREF((PyObject *)type);
}

static int parts_traverse(Parts *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    for (Py_ssize_t i = 0; i < self->count; i++) {
        Py_VISIT(self->parts[i].bytes.obj);
        Py_VISIT(self->parts[i].later);
    }
    Py_VISIT(self->pickler);
    Py_VISIT(self->dump);
    Py_VISIT(self->clear);
    Py_VISIT(self->table);
    Py_VISIT(self->registered);
    Py_VISIT(self->tickets);
    return 0;
}

static PyMethodDef parts_methods[] = {
    {"write_into", (PyCFunction)parts_write_into, METH_O, write_into_doc},
    {"write", (PyCFunction)parts_stream, METH_O, "write($self, data, /)\n--\n\nAdd to the stream."},
    {"_buffer", (PyCFunction)parts_buffer, METH_O, "_buffer($self, buffer, /)\n--\n\nAdd a buffer."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef parts_members[] = {
    {"tickets", T_OBJECT, offsetof(Parts, tickets), 0, "What is to be given back, or None."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef parts_properties[] = {
    {"size", (getter)parts_size, NULL, "Bytes that it takes (int).", NULL},
    {"has_regions", (getter)parts_has_regions, NULL, "Whether regions are in it as references.", NULL},
    {"regions", (getter)parts_regions, NULL, "The regions that are in it as references (list).", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot parts_slots[] = {
    {Py_tp_dealloc, parts_dealloc},
    {Py_tp_traverse, parts_traverse},
    {Py_tp_clear, parts_clear},
    {Py_tp_methods, parts_methods},
    {Py_tp_members, parts_members},
    {Py_tp_getset, parts_properties},
    {Py_tp_doc, (void *)"What python/zinc/_objects.py makes Parts of."},
    {0, NULL},
};

PyType_Spec zinc_parts_spec = {
    .name = "zinc._zinc.Parts",
    .basicsize = sizeof(Parts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = parts_slots,
};
