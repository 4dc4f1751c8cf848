/*
 * What arrays have from C, since each slice of one comes here: the type between numpy.ndarray and
 * SharedArray. Which array is shared, python/zinc/_array.py decides.
 */
#include "module.h"

/*
 * The state, of a direct subclass of the type below, which allows no others. Null, with an exception, of
 * what somebody has made by the type itself, or by a class further down of their own.
 */
static ModuleState *state_of(PyObject *array) {
    return PyType_GetModuleState(PyType_GetSlot(Py_TYPE(array), Py_tp_base));
}

/* array[key]: a view is one of the class already, and what has memory of its own a plain array. */
static PyObject *array_subscript(PyObject *self, PyObject *key) {
    ModuleState *state = state_of(self);
    PyObject *result = state ? state->array_subscript(self, key) : NULL;
    if (!result || Py_TYPE(result) == Py_TYPE(self) ||
        !PyObject_TypeCheck(result, (PyTypeObject *)state->array_type))
        return result;
    PyObject *plain = PyObject_CallMethod(result, "view", "O", state->array_type);
    Py_DECREF(result);
    return plain;
}

PyDoc_STRVAR(finalize_doc, "__array_finalize__($self, source, /)\n--\n\n"
                           "Sort out a new array, by _settle() if it is no view of one of this class.");

static PyObject *array_finalize(PyObject *self, PyObject *source) {
    (void)source;
    ModuleState *state = state_of(self);
    PyObject *base = state ? PyObject_GetAttr(self, state->base_name) : NULL;
    if (!base) return NULL;
    int is_view = Py_TYPE(base) == Py_TYPE(self);
    Py_DECREF(base);
    if (is_view) Py_RETURN_NONE;
    return PyObject_CallMethod(self, "_settle", NULL);
}

static PyMethodDef array_methods[] = {
    {"__array_finalize__", (PyCFunction)array_finalize, METH_O, finalize_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot array_slots[] = {
    {Py_mp_subscript, array_subscript},
    {Py_tp_methods, array_methods},
    {0, NULL},
};

/* No size, which is that of numpy's. */
static PyType_Spec array_spec = {
    .name = "zinc._zinc.Array",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = array_slots,
};

PyObject *zinc_module_array_type(PyObject *module, PyObject *numpys) {
    ModuleState *state = PyModule_GetState(module);
    if (!PyType_Check(numpys)) {
        PyErr_Format(PyExc_TypeError, "a type is needed, not %R", numpys);
        return NULL;
    }
    binaryfunc subscript = (binaryfunc)PyType_GetSlot((PyTypeObject *)numpys, Py_mp_subscript);
    if (!subscript) return PyErr_Format(PyExc_TypeError, "%R has no subscripts", numpys);
    if (!state->array_type) { /* a process has one numpy */
        if (!(state->base_name = PyUnicode_InternFromString("base"))) return NULL;
        state->array_subscript = subscript;
        state->array_type = Py_NewRef(numpys);
    }
    return PyType_FromModuleAndSpec(module, &array_spec, numpys);
}
