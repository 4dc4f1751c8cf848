/* Who sits in a region, and who has its own lock: as its users see it, and from outside. */
#include "region.h"

#include <stdlib.h>

/* The core tells of each seat without the GIL, so they are kept as C has them until it is back. */
typedef struct {
    ZincSeat *seats;
    size_t count, capacity;
    int is_incomplete; /* there was no memory for one */
} Seats;

static void note(const ZincSeat *seat, void *context) {
    Seats *noted = context;
    if (noted->count == noted->capacity) {
        size_t capacity = noted->capacity * 2 + 8;
        ZincSeat *seats = realloc(noted->seats, capacity * sizeof *seats);
        if (!seats) {
            noted->is_incomplete = 1;
            return;
        }
        noted->seats = seats;
        noted->capacity = capacity;
    }
    noted->seats[noted->count++] = *seat;
}

static int add(PyObject *result, const ZincSeat *seat) {
    PyObject *told = Py_BuildValue("(IIiOK)", seat->number, seat->role, (int)seat->pid,
                                   seat->is_alive ? Py_True : Py_False, (unsigned long long)seat->since);
    int status = told ? PyList_Append(result, told) : -1;
    Py_XDECREF(told);
    return status;
}

/* Who was noted, or the exception for a status; frees them. */
static PyObject *told(PyObject *module, Seats *noted, int32_t status) {
    PyObject *result = NULL;
    if (status < 0)
        zinc_raise(PyModule_GetState(module), status);
    else if (noted->is_incomplete)
        PyErr_NoMemory();
    else
        result = PyList_New(0);
    for (size_t i = 0; result && i < noted->count; i++)
        if (add(result, noted->seats + i) < 0) Py_CLEAR(result);
    free(noted->seats);
    return result;
}

PyObject *zinc_module_seats(PyObject *module, PyObject *args) {
    ModuleState *state = PyModule_GetState(module);
    Region *region;
    if (!PyArg_ParseTuple(args, "O!:seats", (PyTypeObject *)state->region_type, &region)) return NULL;
    ZincHandle handle = region_begin(region);
    if (!handle) return NULL;
    Seats noted = {0};
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_seats(handle, note, &noted);
    Py_END_ALLOW_THREADS return region_ended(region, told(module, &noted, status));
}

PyObject *zinc_module_examine_seats(PyObject *module, PyObject *args) {
    PyObject *name;
    if (!PyArg_ParseTuple(args, "U:examine_seats", &name)) return NULL;
    const char *text = zinc_name_argument(name);
    if (!text) return NULL;
    Seats noted = {0};
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_seats_examine(text, note, &noted);
    Py_END_ALLOW_THREADS return told(module, &noted, status);
}

PyObject *zinc_module_examine_lock(PyObject *module, PyObject *args) {
    PyObject *name;
    if (!PyArg_ParseTuple(args, "U:examine_lock", &name)) return NULL;
    const char *text = zinc_name_argument(name);
    if (!text) return NULL;
    ZincLockInfo info = {.size = sizeof info};
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_lock_examine_name(text, &info);
    Py_END_ALLOW_THREADS if (status < 0) return zinc_raise(PyModule_GetState(module), status);
    return Py_BuildValue("(IiK)", info.state, (int)info.pid, (unsigned long long)info.since);
}
