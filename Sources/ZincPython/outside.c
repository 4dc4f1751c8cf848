/* Regions seen from outside, by their names: nothing here attaches to one. */
#include "module.h"

#include <stdlib.h>
#include <string.h>

PyObject *zinc_module_unlink(PyObject *module, PyObject *args) {
    PyObject *name;
    unsigned flags;
    if (!PyArg_ParseTuple(args, "UI:unlink", &name, &flags)) return NULL;
    const char *text = zinc_name_argument(name);
    if (!text) return NULL;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_region_unlink(text, flags);
    Py_END_ALLOW_THREADS if (status < 0) return zinc_raise(PyModule_GetState(module), status);
    Py_RETURN_NONE;
}

/*
 * The core tells of each name without the GIL, so they are kept as C has them until it is back:
 * each as eight bytes of a number, the name and a NUL.
 */
typedef struct {
    char *bytes;
    size_t length, capacity;
    int is_incomplete; /* there was no memory for one */
} Names;

static void note(const char *name, uint64_t number, void *context) {
    Names *names = context;
    size_t size = strlen(name) + 1;
    size_t needed = names->length + sizeof number + size;
    if (needed > names->capacity) {
        char *bytes = realloc(names->bytes, needed * 2);
        if (!bytes) {
            names->is_incomplete = 1;
            return;
        }
        names->bytes = bytes;
        names->capacity = needed * 2;
    }
    memcpy(names->bytes + names->length, &number, sizeof number);
    memcpy(names->bytes + names->length + sizeof number, name, size);
    names->length = needed;
}

/* The next name and its number, from `*at` on; NULL after the last. */
static const char *next(const Names *names, size_t *at, uint64_t *number) {
    if (*at == names->length) return NULL;
    memcpy(number, names->bytes + *at, sizeof *number);
    const char *name = names->bytes + *at + sizeof *number;
    *at += sizeof *number + strlen(name) + 1;
    return name;
}

static int add_reclaimed(PyObject *result, const char *name, uint64_t bytes) {
    PyObject *number = PyLong_FromUnsignedLongLong(bytes);
    int status = number ? PyDict_SetItemString(result, name, number) : -1;
    Py_XDECREF(number);
    return status;
}

static int add_name(PyObject *result, const char *name, uint64_t unused) {
    (void)unused;
    /* Whatever else is in the folder has names of any bytes. */
    PyObject *text = PyUnicode_DecodeFSDefault(name);
    int status = text ? PyList_Append(result, text) : -1;
    Py_XDECREF(text);
    return status;
}

/* Adds all that was noted to the result, which it owns, as the names. NULL with an exception. */
static PyObject *told(Names *names, PyObject *result,
                      int (*add)(PyObject *result, const char *name, uint64_t number)) {
    if (result && names->is_incomplete) {
        PyErr_NoMemory();
        Py_CLEAR(result);
    }
    const char *name;
    uint64_t number;
    size_t at = 0;
    while (result && (name = next(names, &at, &number)))
        if (add(result, name, number) < 0) Py_CLEAR(result);
    free(names->bytes);
    return result;
}

PyObject *zinc_module_reclaim(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    Names names = {0};
    Py_BEGIN_ALLOW_THREADS zinc_reclaim(note, &names);
    Py_END_ALLOW_THREADS return told(&names, PyDict_New(), add_reclaimed);
}

static void note_name(const char *name, void *context) { note(name, 0, context); }

PyObject *zinc_module_names(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    Names names = {0};
    Py_BEGIN_ALLOW_THREADS zinc_region_list(note_name, &names);
    Py_END_ALLOW_THREADS return told(&names, PyList_New(0), add_name);
}

PyObject *zinc_module_place(PyObject *module, PyObject *unused) {
    (void)unused;
    ZincPlace place = {.size = sizeof place};
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_place(&place);
    Py_END_ALLOW_THREADS if (status < 0) return zinc_raise(PyModule_GetState(module), status);
    return Py_BuildValue("KKK", (unsigned long long)place.machine, (unsigned long long)place.memory,
                         (unsigned long long)place.processes);
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
    return Py_BuildValue("{sIsKsKsKsKsKsKsKsIsIsIsIsisIsIsIsIsy#}", "layout", info.layout, "capacity",
                         info.capacity, "data_offset", info.data_offset, "memory", info.memory, "id", info.id,
                         "created_at", info.created_at, "device", info.device, "inode", info.inode, "flags",
                         info.flags, "state", info.state, "mode", info.mode, "owner", info.owner,
                         "creator_pid", info.creator_pid, "sequence", info.sequence, "parked", info.parked,
                         "woken", info.woken, "kind", info.kind, "metadata", info.metadata,
                         (Py_ssize_t)info.metadata_length);
}
