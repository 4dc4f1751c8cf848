/* How much memory a region really has, giving some of it back, and what its pages are. */
#include "region.h"

PyObject *region_used(Region *self, void *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    uint64_t bytes;
    int32_t status = zinc_region_used(handle, &bytes);
    region_end(self);
    if (status < 0) return zinc_raise(PyType_GetModuleState(self->export_type), status);
    return PyLong_FromUnsignedLongLong(bytes);
}

const char region_trim_doc[] =
    "trim($self, offset=0, length=None)\n--\n\n"
    "Give memory back: zero `length` bytes from byte `offset` on, for all who are attached.\n\n"
    "None is to the end. The memory of whole pages among them is the system's again; the\n"
    "address space, arrays and views stay. Whoever touches such a page later, to read it\n"
    "either, takes memory anew: a bus error where there is none left, as with reserve=False.\n"
    "Raises ValueError for bytes that are not there and if the region is closed,\n"
    "PermissionError if it is read-only, OSError as the system says.";

PyObject *region_trim(Region *self, PyObject *args, PyObject *keywords) {
    static char *names[] = {"offset", "length", NULL};
    uintptr_t offset = 0, length;
    PyObject *wanted = Py_None, *start = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO:trim", names, &start, &wanted)) return NULL;
    if (start && !zinc_convert_size(start, &offset)) return NULL;
    if (wanted != Py_None && !zinc_convert_size(wanted, &length)) return NULL;
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    if (wanted == Py_None)
        length = offset > (uintptr_t)self->capacity ? 0 : (uintptr_t)self->capacity - offset;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_region_trim(handle, offset, length);
    Py_END_ALLOW_THREADS region_end(self);
    if (status < 0) return zinc_raise(PyType_GetModuleState(self->export_type), status);
    Py_RETURN_NONE;
}

PyObject *zinc_module_shortfall(PyObject *module, PyObject *args) {
    ModuleState *state = PyModule_GetState(module);
    PyObject *object;
    unsigned flag;
    if (!PyArg_ParseTuple(args, "O!I:shortfall", state->region_type, &object, &flag)) return NULL;
    Region *self = (Region *)object;
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    return region_ended(self, PyUnicode_FromString(zinc_region_shortfall(handle, flag)));
}
