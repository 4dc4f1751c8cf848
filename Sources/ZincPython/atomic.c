/* Numbers in a region that several processes change at once; each change is one instruction. */
#include "primitive.h"

#include <errno.h>
#include <string.h>
#include <structmember.h>

typedef struct {
    PyObject_HEAD Region *region;
    uintptr_t offset;
    const char *kind;
    char is_wide; /* 64 bits */
    char is_signed;
} Atomic;

static const struct {
    const char *name;
    char is_wide, is_signed;
} kinds[] = {{"u32", 0, 0}, {"u64", 1, 0}, {"i64", 1, 1}};

/* ---- numbers ---- */

/* Into its bits. `wraps`: of what is added, whose sign does not matter. */
static int convert(Atomic *self, PyObject *number, int wraps, uint64_t *bits) {
    PyObject *index = PyNumber_Index(number);
    if (!index) return 0;
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(index, &overflow);
    int fits = !overflow && (value >= 0 || wraps || self->is_signed) &&
               (self->is_wide || (value <= UINT32_MAX && value >= -(long long)UINT32_MAX));
    *bits = (uint64_t)value;
    if (overflow > 0 && self->is_wide && !self->is_signed) {
        *bits = PyLong_AsUnsignedLongLong(index);
        fits = !PyErr_Occurred();
        PyErr_Clear();
    }
    Py_DECREF(index);
    if (!fits && !PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "%R does not fit: byte %zu of region %R is %s", number,
                     (size_t)self->offset, self->region->name, self->kind);
    return fits;
}

static PyObject *from_bits(Atomic *self, uint64_t bits) {
    return self->is_signed ? PyLong_FromLongLong((long long)bits) : PyLong_FromUnsignedLongLong(bits);
}

/* ---- changes ---- */

enum { EXCHANGE_IT, ADD, AND, OR };

static uint64_t load(Atomic *self, ZincHandle handle) {
    void *word = zinc_ptr(handle) + self->offset;
    return self->is_wide ? __atomic_load_n((uint64_t *)word, __ATOMIC_SEQ_CST)
                         : __atomic_load_n((uint32_t *)word, __ATOMIC_SEQ_CST);
}

#define CHANGE(type)                                                                                         \
    (how == EXCHANGE_IT ? __atomic_exchange_n((type *)word, (type)by, __ATOMIC_SEQ_CST)                      \
     : how == ADD       ? __atomic_fetch_add((type *)word, (type)by, __ATOMIC_SEQ_CST)                       \
     : how == AND       ? __atomic_fetch_and((type *)word, (type)by, __ATOMIC_SEQ_CST)                       \
                        : __atomic_fetch_or((type *)word, (type)by, __ATOMIC_SEQ_CST))

/* The handle for a change; null with an exception where it can't be written. */
static ZincHandle begin_change(Atomic *self) {
    if (!self->region->is_readonly) return region_begin(self->region);
    PyErr_Format(PyExc_PermissionError, "region %R is read-only here, and can't be changed",
                 self->region->name);
    return NULL;
}

/* The value before, or NULL with an exception. Who waits for a change is told. */
static PyObject *change(Atomic *self, int how, PyObject *number) {
    uint64_t by;
    if (!convert(self, number, how == ADD, &by)) return NULL;
    ZincHandle handle = begin_change(self);
    if (!handle) return NULL;
    void *word = zinc_ptr(handle) + self->offset;
    uint64_t before = self->is_wide ? CHANGE(uint64_t) : CHANGE(uint32_t);
    uint64_t after = how == EXCHANGE_IT ? by
                     : how == ADD       ? before + by
                     : how == AND       ? before & by
                                        : before | by;
    if (after != before) zinc_notify(handle);
    region_end(self->region);
    return from_bits(self, before);
}

static PyObject *number_load(Atomic *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self->region);
    return handle ? region_ended(self->region, from_bits(self, load(self, handle))) : NULL;
}

static PyObject *number_store(Atomic *self, PyObject *number) {
    PyObject *before = change(self, EXCHANGE_IT, number);
    if (!before) return NULL;
    Py_DECREF(before);
    Py_RETURN_NONE;
}

static PyObject *number_swap(Atomic *self, PyObject *number) { return change(self, EXCHANGE_IT, number); }

static PyObject *number_add(Atomic *self, PyObject *number) { return change(self, ADD, number); }

static PyObject *number_and(Atomic *self, PyObject *number) { return change(self, AND, number); }

static PyObject *number_or(Atomic *self, PyObject *number) { return change(self, OR, number); }

static PyObject *number_compare_exchange(Atomic *self, PyObject *args) {
    PyObject *expected, *desired;
    uint64_t old, new;
    if (!PyArg_ParseTuple(args, "OO:compare_exchange", &expected, &desired)) return NULL;
    if (!convert(self, expected, 0, &old) || !convert(self, desired, 0, &new)) return NULL;
    ZincHandle handle = begin_change(self);
    if (!handle) return NULL;
    void *word = zinc_ptr(handle) + self->offset;
    uint32_t narrow = (uint32_t)old;
    int is_changed = self->is_wide ? __atomic_compare_exchange_n((uint64_t *)word, &(uint64_t){old}, new, 0,
                                                                 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
                                   : __atomic_compare_exchange_n((uint32_t *)word, &narrow, (uint32_t)new, 0,
                                                                 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (is_changed && old != new) zinc_notify(handle);
    return region_ended(self->region, PyBool_FromLong(is_changed));
}

/* ---- waiting ---- */

typedef struct {
    Atomic *atomic;
    uint64_t value;
} Wanted;

static int32_t wait_for_change(ZincHandle handle, const ZincWaitOptions *options, void *context) {
    Wanted *wanted = context;
    return zinc_number_wait(handle, wanted->atomic->offset, wanted->atomic->is_wide ? 8 : 4, wanted->value,
                            options);
}

static PyObject *number_wait(Atomic *self, PyObject *args, PyObject *keywords) {
    static char *names[] = {"value", "timeout", "timeout_ms", NULL};
    PyObject *value, *timeout = NULL, *timeout_ms = NULL;
    Wanted wanted = {.atomic = self};
    uint64_t deadline;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|O$O:wait", names, &value, &timeout, &timeout_ms) ||
        !convert(self, value, 0, &wanted.value) || !wait_deadline(timeout, timeout_ms, &deadline))
        return NULL;
    ZincHandle handle = region_begin(self->region);
    if (!handle) return NULL;
    int32_t status = primitive_wait(handle, deadline, wait_for_change, &wanted);
    int is_known = status == 0 || status == -ETIMEDOUT;
    if (!is_known && status != -EINTR) primitive_raise(self->region, ZINC_OWN_LOCK, handle, status);
    region_end(self->region);
    return is_known ? PyBool_FromLong(status == 0) : NULL;
}

/* ---- the type ---- */

static PyObject *atomic_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *region, *offset;
    const char *kind;
    uintptr_t where;
    if (keywords && PyDict_Size(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "use region.atomic(offset)");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OOs:Atomic", &region, &offset, &kind)) return NULL;
    ModuleState *state = module_state_of(type);
    if (!state || !PyObject_TypeCheck(region, (PyTypeObject *)state->region_type))
        return PyErr_Format(PyExc_TypeError, "a SharedRegion is needed, not %R", region);
    size_t which = 0;
    while (which < 3 && strcmp(kind, kinds[which].name) != 0) which++;
    if (which == 3)
        return PyErr_Format(PyExc_ValueError, "kind is 'u32', 'u64' or 'i64', not %R",
                            PyTuple_GetItem(args, 2));
    if (!zinc_convert_size(offset, &where)) return NULL;
    uintptr_t size = kinds[which].is_wide ? 8 : 4, capacity = (uintptr_t)((Region *)region)->capacity;
    if (where % size != 0 || where > capacity || capacity - where < size)
        return PyErr_Format(
            PyExc_ValueError,
            "%s at byte %R of region %R: its %zu bytes begin at a multiple of them, inside the "
            "region, which has %zu",
            kind, offset, ((Region *)region)->name, (size_t)size, (size_t)capacity);
    if (!region_begin((Region *)region)) return NULL;
    region_end((Region *)region);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Atomic *self = (Atomic *)allocate(type, 0);
    if (!self) return NULL;
    self->region = (Region *)Py_NewRef(region);
    self->offset = where;
    self->kind = kinds[which].name;
    self->is_wide = kinds[which].is_wide;
    self->is_signed = kinds[which].is_signed;
    return (PyObject *)self;
}

static void atomic_dealloc(Atomic *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_XDECREF((PyObject *)self->region);
    freefunc deallocate = (freefunc)PyType_GetSlot(type, Py_tp_free);
    deallocate(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(load_doc, "load($self)\n--\n\nThe value (int). Raises ValueError if the region is closed.");
PyDoc_STRVAR(store_doc,
             "store($self, value, /)\n--\n\n"
             "Set the value. Raises ValueError for one that does not fit, and if the region is closed;\n"
             "PermissionError where it is read-only.");
PyDoc_STRVAR(exchange_doc, "exchange($self, value, /)\n--\n\n"
                           "Set the value, and return the one before. Raises what store() raises.");
PyDoc_STRVAR(add_doc,
             "add($self, number, /)\n--\n\n"
             "Add to the value, and return the one before; a negative number is taken away. What is\n"
             "too large or too small for it wraps around. Raises what store() raises.");
PyDoc_STRVAR(and_doc, "and_($self, bits, /)\n--\n\n"
                      "Clear all other bits, and return the value before. Raises what store() raises.");
PyDoc_STRVAR(or_doc, "or_($self, bits, /)\n--\n\n"
                     "Set these bits, and return the value before. Raises what store() raises.");
PyDoc_STRVAR(compare_exchange_doc,
             "compare_exchange($self, expected, desired, /)\n--\n\n"
             "Set the value to `desired` if it is `expected`, and say whether it was. Raises what\n"
             "store() raises.");
PyDoc_STRVAR(wait_doc,
             "wait($self, value, timeout=None, *, timeout_ms=None)\n--\n\n"
             "Wait until the value is not this one, and return True; False if it was still by then:\n"
             "after `timeout` seconds or `timeout_ms` milliseconds, and else never.\n\n"
             "Changes by objects like this wake who waits. Those by others, as numpy or C, are seen\n"
             "after 20 ms at most; one that is taken back meanwhile may go unseen. Other threads run\n"
             "meanwhile, and signal handlers, too. Raises ValueError for a value that does not fit, for\n"
             "times that can't be, and if the region is closed, meanwhile too.");

static PyMethodDef atomic_methods[] = {
    {"load", (PyCFunction)number_load, METH_NOARGS, load_doc},
    {"store", (PyCFunction)number_store, METH_O, store_doc},
    {"exchange", (PyCFunction)number_swap, METH_O, exchange_doc},
    {"add", (PyCFunction)number_add, METH_O, add_doc},
    {"and_", (PyCFunction)number_and, METH_O, and_doc},
    {"or_", (PyCFunction)number_or, METH_O, or_doc},
    {"compare_exchange", (PyCFunction)number_compare_exchange, METH_VARARGS, compare_exchange_doc},
    {"wait", (PyCFunction)(void (*)(void))number_wait, METH_VARARGS | METH_KEYWORDS, wait_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef atomic_members[] = {
    {"region", T_OBJECT_EX, offsetof(Atomic, region), READONLY, "The region that it is in."},
    {"offset", T_PYSSIZET, offsetof(Atomic, offset), READONLY, "Where in the region's data it is (int)."},
    {"kind", T_STRING, offsetof(Atomic, kind), READONLY, "'u32', 'u64' or 'i64'."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot atomic_slots[] = {
    {Py_tp_new, atomic_new},
    {Py_tp_dealloc, atomic_dealloc},
    {Py_tp_methods, atomic_methods},
    {Py_tp_members, atomic_members},
    {Py_tp_doc, (void *)"What zinc.Atomic is made of."},
    {0, NULL},
};

PyType_Spec zinc_atomic_spec = {
    .name = "zinc._zinc.Atomic",
    .basicsize = sizeof(Atomic),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = atomic_slots,
};
