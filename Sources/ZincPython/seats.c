/* Who sits in a region, and who has its own lock: as its users see it, and from outside. */
#include "channel.h"

#include <stdlib.h>

/* The core tells of each seat without the GIL, so they are kept as C has them until it is back. */
typedef struct {
    ZincChannelUser *users;
    size_t count, capacity;
    int is_channel;
    int is_incomplete; /* there was no memory for one */
} Seats;

static void note_user(const ZincChannelUser *user, void *context) {
    Seats *noted = context;
    if (noted->count == noted->capacity) {
        size_t capacity = noted->capacity * 2 + 8;
        ZincChannelUser *users = realloc(noted->users, capacity * sizeof *users);
        if (!users) {
            noted->is_incomplete = 1;
            return;
        }
        noted->users = users;
        noted->capacity = capacity;
    }
    noted->users[noted->count++] = *user;
}

static void note(const ZincSeat *seat, void *context) {
    ZincChannelUser user = {.seat = *seat};
    note_user(&user, context);
}

static int add(PyObject *result, const ZincChannelUser *user, int is_channel) {
    const ZincSeat *seat = &user->seat;
    PyObject *told = Py_BuildValue("(IIiOK)", seat->number, seat->role, (int)seat->pid,
                                   seat->is_alive ? Py_True : Py_False, (unsigned long long)seat->since);
    if (told && is_channel) {
        PyObject *more =
            Py_BuildValue("(KKKIO)", (unsigned long long)user->waiting_since, (unsigned long long)user->next,
                          (unsigned long long)user->lost, user->views, user->is_evicted ? Py_True : Py_False);
        PyObject *both = more ? PySequence_Concat(told, more) : NULL;
        Py_XDECREF(more);
        Py_DECREF(told);
        told = both;
    }
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
        if (add(result, noted->users + i, noted->is_channel) < 0) Py_CLEAR(result);
    free(noted->users);
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

PyObject *zinc_module_channel_users(PyObject *module, PyObject *args) {
    ModuleState *state = PyModule_GetState(module);
    Region *region;
    if (!PyArg_ParseTuple(args, "O!:channel_users", (PyTypeObject *)state->region_type, &region)) return NULL;
    ZincHandle handle = region_begin(region);
    if (!handle) return NULL;
    Seats noted = {.is_channel = 1};
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_channel_users(handle, note_user, &noted);
    Py_END_ALLOW_THREADS return region_ended(region, told(module, &noted, status));
}

PyObject *zinc_channel_told(const void *channel) {
    const ZincChannelInfo *info = channel;
    return Py_BuildValue("KIIIIK", (unsigned long long)info->payload, info->messages, info->slots,
                         info->views, info->flags, (unsigned long long)info->newest);
}

/* Asks the core of a channel, or a queue, by its name: 0, with `info` filled and all users noted. */
typedef int32_t Examine(const char *name, void *info, Seats *noted);

static PyObject *examine_name(PyObject *module, PyObject *args, Examine *examine, void *info,
                              PyObject *(*tell)(const void *info)) {
    PyObject *name;
    if (!PyArg_ParseTuple(args, "U:examine_name", &name)) return NULL;
    const char *text = zinc_name_argument(name);
    if (!text) return NULL;
    Seats noted = {.is_channel = 1};
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = examine(text, info, &noted);
    Py_END_ALLOW_THREADS PyObject *users = told(module, &noted, status);
    PyObject *one = users ? tell(info) : NULL;
    PyObject *result = one ? PyTuple_Pack(2, one, users) : NULL;
    Py_XDECREF(one);
    Py_XDECREF(users);
    return result;
}

static int32_t examine_channel(const char *name, void *info, Seats *noted) {
    return zinc_channel_examine_name(name, info, note_user, noted);
}

static int32_t examine_queue(const char *name, void *info, Seats *noted) {
    return zinc_queue_examine_name(name, info, note_user, noted);
}

PyObject *zinc_module_examine_channel_name(PyObject *module, PyObject *args) {
    ZincChannelInfo info = {.size = sizeof info};
    return examine_name(module, args, examine_channel, &info, zinc_channel_told);
}

PyObject *zinc_module_examine_queue_name(PyObject *module, PyObject *args) {
    ZincQueueInfo info = {.size = sizeof info};
    return examine_name(module, args, examine_queue, &info, zinc_queue_told);
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
