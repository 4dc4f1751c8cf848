/*
 * How objects are pickled: by a pickler that knows how what holds much memory is reduced, and writes
 * to Parts, which hold what is given to them. One pickler is used again and again, as long as what it
 * pickles is small: to make one takes longer than to pickle a number.
 */
#include "object.h"

/* A pickler keeps memory for the largest stream that it has had, and for what was in it. */
enum { LARGE_STREAM = 1 << 14 };

PyObject *object_helper(PyObject * SHARED * place, const char *module, const char *name) {
    if (*place) return *place;
    PyObject *from = PyImport_ImportModule(module);
    if (!from) return NULL;
    PyObject *found = PyObject_GetAttrString(from, name);
    Py_DECREF(from);
    if (!found) return NULL;
    PyObject *other = EXCHANGE(*place, found);
    Py_XDECREF(other); /* of another thread, which has it as long as the module has */
    return found;
}

/* Lets the pickler know what was registered or imported since: 0, or -1 with an exception. */
static int learn(ModuleState *state, Parts *self) {
    PyObject *registry = object_helper(&state->copyreg_table, "copyreg", "dispatch_table");
    PyObject *kinds = registry ? object_helper(&state->kinds, "zinc._picklers", "_reducers") : NULL;
    if (!kinds) return -1;
    Py_ssize_t modules = PyDict_Size(PyImport_GetModuleDict());
    if (self->table && modules == self->modules && PyDict_Size(kinds) == self->kinds) {
        int is_same = PyObject_RichCompareBool(registry, self->registered, Py_EQ);
        if (is_same != 0) return is_same < 0 ? -1 : 0;
    }
    PyObject *make = object_helper(&state->make_table, "zinc._reducers", "table");
    if (!make) return -1;
    Py_ssize_t known = PyDict_Size(kinds);
    PyObject *registered = PyDict_Copy(registry);
    PyObject *table = registered ? PyObject_CallFunctionObjArgs(make, NULL) : NULL;
    if (!table) {
        Py_XDECREF(registered);
        return -1;
    }
    Py_XDECREF((PyObject *)EXCHANGE(self->registered, registered));
    Py_XDECREF((PyObject *)EXCHANGE(self->table, table));
    self->modules = modules;
    self->kinds = known;
    return self->pickler ? PyObject_SetAttrString(self->pickler, "dispatch_table", table) : 0;
}

static void forget_pickler(Parts *self) {
    Py_CLEAR(self->dump);
    Py_CLEAR(self->clear);
    Py_CLEAR(self->pickler);
}

static int make_pickler(ModuleState *state, Parts *self) {
    PyObject *type = object_helper(&state->pickler_type, "pickle", "Pickler");
    PyObject *callback = type ? PyObject_GetAttrString((PyObject *)self, "_buffer") : NULL;
    PyObject *args = callback ? Py_BuildValue("(Oi)", (PyObject *)self, 5) : NULL;
    PyObject *named = args ? Py_BuildValue("{s:O}", "buffer_callback", callback) : NULL;
    if (named) self->pickler = PyObject_Call(type, args, named);
    Py_XDECREF(named);
    Py_XDECREF(args);
    Py_XDECREF(callback);
    if (self->pickler && PyObject_SetAttrString(self->pickler, "dispatch_table", self->table) == 0 &&
        (self->dump = PyObject_GetAttrString(self->pickler, "dump")) &&
        (self->clear = PyObject_GetAttrString(self->pickler, "clear_memo")))
        return 0;
    forget_pickler(self);
    return -1;
}

/* The one that collects; another where that is in use, by a thread or an object's own __reduce__. */
static Parts *collector(ModuleState *state) {
    Parts *self = EXCHANGE(state->collector, NULL);
    if (!self) {
        PyTypeObject *type = (PyTypeObject *)state->parts_type;
        allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
        self = (Parts *)allocate(type, 0);
    }
    if (self && learn(state, self) == 0 && (self->pickler || make_pickler(state, self) == 0)) return self;
    if (self) forget_pickler(self);
    Py_XDECREF((PyObject *)self);
    return NULL;
}

static int pickle(Parts *self, PyObject *object) {
    PyObject *done = PyObject_CallFunctionObjArgs(self->dump, object, NULL);
    Py_XDECREF(done);
    if (!done || parts_finish(self) < 0) return -1;
    done = PyObject_CallFunctionObjArgs(self->clear, NULL);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static PyObject *dump(ModuleState *state, PyTypeObject *type, PyObject *object) {
    Parts *from = collector(state);
    if (!from) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Parts *result = pickle(from, object) == 0 ? (Parts *)allocate(type, 0) : NULL;
    if (result) {
        result->parts = from->parts;
        result->count = from->count;
        result->room = from->room;
        result->stream = from->stream;
        result->buffers = from->buffers;
        result->size = from->size;
        from->parts = NULL;
        from->count = from->room = 0;
    }
    if (!result || from->stream > LARGE_STREAM) {
        PyObject *error_type, *error, *traceback;
        PyErr_Fetch(&error_type, &error, &traceback);
        forget_pickler(from);
        parts_empty(from);
        PyErr_Restore(error_type, error, traceback);
    }
    Parts *other = EXCHANGE(state->collector, from);
    if (other) forget_pickler(other);
    Py_XDECREF((PyObject *)other);
    return (PyObject *)result;
}

PyObject *zinc_module_dump(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    ModuleState *state = PyModule_GetState(module);
    if (count != 2) return PyErr_Format(PyExc_TypeError, "dump() takes 2 arguments (%zd given)", count);
    if (!PyType_Check(args[0]) ||
        !PyType_IsSubtype((PyTypeObject *)args[0], (PyTypeObject *)state->parts_type))
        return PyErr_Format(PyExc_TypeError, "a type of Parts is needed, not %R", args[0]);
    return dump(state, (PyTypeObject *)args[0], args[1]);
}
