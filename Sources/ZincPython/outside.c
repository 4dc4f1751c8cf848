/* Regions seen from outside, by their names: nothing here attaches to one. */
#include "module.h"

PyObject *zinc_module_unlink(PyObject *module, PyObject *args) {
    PyObject *name;
    int force;
    if (!PyArg_ParseTuple(args, "Up:unlink", &name, &force)) return NULL;
    const char *text = zinc_name_argument(name);
    if (!text) return NULL;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_region_unlink(text, force ? ZINC_FORCE : 0);
    Py_END_ALLOW_THREADS if (status < 0) return zinc_raise(PyModule_GetState(module), status);
    Py_RETURN_NONE;
}

static void note_reclaimed(const char *name, uint64_t bytes, void *result) {
    if (PyErr_Occurred()) return;
    PyObject *number = PyLong_FromUnsignedLongLong(bytes);
    if (number) PyDict_SetItemString(result, name, number);
    Py_XDECREF(number);
}

/* Holds the GIL: it is short, and tells Python of each name. */
PyObject *zinc_module_reclaim(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    PyObject *result = PyDict_New();
    if (!result) return NULL;
    zinc_reclaim(note_reclaimed, result);
    if (PyErr_Occurred()) Py_CLEAR(result);
    return result;
}

static void note_name(const char *name, void *result) {
    if (PyErr_Occurred()) return;
    /* Whatever else is in the folder has names of any bytes. */
    PyObject *text = PyUnicode_DecodeFSDefault(name);
    if (text) PyList_Append(result, text);
    Py_XDECREF(text);
}

PyObject *zinc_module_names(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    PyObject *result = PyList_New(0);
    if (!result) return NULL;
    zinc_region_list(note_name, result);
    if (PyErr_Occurred()) Py_CLEAR(result);
    return result;
}

PyObject *zinc_module_examine(PyObject *module, PyObject *args) {
    PyObject *name;
    if (!PyArg_ParseTuple(args, "U:examine", &name)) return NULL;
    const char *text = zinc_name_argument(name);
    if (!text) return NULL;
    ZincRegionInfo info = {.size = sizeof info};
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_region_examine(text, &info);
    Py_END_ALLOW_THREADS if (status < 0) return zinc_raise(PyModule_GetState(module), status);
    return Py_BuildValue(
        "{sKsKsKsKsKsKsKsIsIsIsIsisIsIsIsIsy#}", "capacity", info.capacity, "data_offset", info.data_offset,
        "memory", info.memory, "id", info.id, "created_at", info.created_at, "device", info.device, "inode",
        info.inode, "flags", info.flags, "state", info.state, "mode", info.mode, "owner", info.owner,
        "creator_pid", info.creator_pid, "sequence", info.sequence, "parked", info.parked, "woken",
        info.woken, "kind", info.kind, "metadata", info.metadata, (Py_ssize_t)info.metadata_length);
}
