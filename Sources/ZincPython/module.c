/* The module _zinc: its type, its exception, its errors. */
#include "channel.h"
#include "lock.h"
#include "object.h"

#include <errno.h>

PyObject *zinc_raise(ModuleState *state, int32_t status) {
    const char *message = zinc_error_message();
    if (status == -EINVAL) {
        PyErr_SetString(PyExc_ValueError, message);
        return NULL;
    }
    PyObject *type = status == -EBADMSG ? state->not_a_region_error : PyExc_OSError;
    /* Called, not raised with arguments: OSError picks its subclass when it is made. */
    PyObject *error = PyObject_CallFunction(type, "is", (int)-status, message);
    if (error) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return NULL;
}

ModuleState *module_state_of(PyTypeObject *type) {
    while (type && !PyType_GetModule(type)) {
        PyErr_Clear();
        type = PyType_GetSlot(type, Py_tp_base);
    }
    return type ? PyType_GetModuleState(type) : NULL;
}

#ifdef Py_GIL_DISABLED
#define EXTENSION "free-threaded Python " PY_VERSION
#else
#define EXTENSION "stable ABI of Python 3.11"
#endif

/* Adds a type, and gives it unless `type` is null. */
static int add_type(PyObject *module, PyType_Spec *spec, PyObject *bases, PyObject **type) {
    PyObject *made = PyType_FromModuleAndSpec(module, spec, bases);
    if (!made) return -1;
    int status = PyModule_AddType(module, (PyTypeObject *)made);
    if (status < 0 || !type)
        Py_DECREF(made);
    else
        *type = made;
    return status;
}

static int add_family(PyObject *module) {
    static PyType_Spec *const specs[] = {&zinc_semaphore_spec, &zinc_reader_spec, &zinc_condition_spec,
                                         &zinc_event_spec, &zinc_barrier_spec};
    PyObject *base;
    if (add_type(module, &zinc_primitive_spec, NULL, &base) < 0) return -1;
    int status = 0;
    for (size_t i = 0; status == 0 && i < sizeof specs / sizeof *specs; i++)
        status = add_type(module, specs[i], base, NULL);
    Py_DECREF(base);
    if (status < 0) return -1;
    if (PyModule_AddIntConstant(module, "RWLOCK", ZINC_RWLOCK) < 0) return -1;
    if (PyModule_AddIntConstant(module, "CONDITION", ZINC_CONDITION) < 0) return -1;
    if (PyModule_AddIntConstant(module, "SEMAPHORE", ZINC_SEMAPHORE) < 0) return -1;
    if (PyModule_AddIntConstant(module, "EVENT", ZINC_EVENT) < 0) return -1;
    return PyModule_AddIntConstant(module, "BARRIER", ZINC_BARRIER);
}

static int add_locks(PyObject *module, ModuleState *state) {
    if ((errno = lock_watch_forks())) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (add_type(module, &zinc_lock_spec, NULL, &state->lock_type) < 0) return -1;
    if (add_type(module, &zinc_recovery_spec, NULL, &state->recovery_type) < 0) return -1;
    if (add_family(module) < 0) return -1;
    if (add_type(module, &zinc_atomic_spec, NULL, NULL) < 0) return -1;

    if (PyModule_AddIntConstant(module, "LOCK", ZINC_LOCK) < 0) return -1;
    if (PyModule_AddIntConstant(module, "LOCK_FREE", ZINC_LOCK_FREE) < 0) return -1;
    if (PyModule_AddIntConstant(module, "LOCK_REPAIRING", ZINC_LOCK_REPAIRING) < 0) return -1;
    if (PyModule_AddIntConstant(module, "LOCK_ABANDONED", ZINC_LOCK_ABANDONED) < 0) return -1;
    if (PyModule_AddIntConstant(module, "LOCK_DAMAGED", ZINC_LOCK_DAMAGED) < 0) return -1;

    PyObject *unknown = Py_BuildValue("{s:i,s:d}", "pid", 0, "since", 0.0);
    if (!unknown) return -1;
    state->owner_died_error = PyErr_NewExceptionWithDoc(
        "zinc.OwnerDiedError",
        "Who had the lock died with it, and what it guards may be half done.\n\n"
        "An OSError whose errno is EOWNERDEAD; the lock is not held. `pid` is of who died, as that\n"
        "process saw itself, and `since` when it had acquired the lock, in seconds since 1970; 0\n"
        "where it is not known. `with lock.recover():` is how to go on.",
        PyExc_OSError, unknown);
    Py_DECREF(unknown);
    if (!state->owner_died_error) return -1;
    return PyModule_AddObjectRef(module, "OwnerDiedError", state->owner_died_error);
}

static int add_channels(PyObject *module, ModuleState *state) {
    PyObject *writer;
    if (add_type(module, &zinc_writer_spec, NULL, &writer) < 0) return -1;
    int status = add_type(module, &zinc_channel_spec, writer, NULL);
    Py_DECREF(writer);
    if (status < 0) return -1;
    if (add_type(module, &zinc_worker_spec, NULL, &state->worker_type) < 0) return -1;
    if (add_type(module, &zinc_channel_reader_spec, NULL, &state->channel_reader_type) < 0) return -1;
    if (add_type(module, &zinc_message_spec, NULL, &state->message_type) < 0) return -1;
    if (add_type(module, &zinc_loan_spec, NULL, &state->loan_type) < 0) return -1;
    if (add_type(module, &zinc_slot_spec, NULL, &state->slot_type) < 0) return -1;
    if (PyModule_AddIntConstant(module, "CHANNEL", ZINC_CHANNEL) < 0) return -1;
    if (PyModule_AddIntConstant(module, "CHANNEL_WAIT", ZINC_CHANNEL_WAIT) < 0) return -1;
    if (PyModule_AddIntConstant(module, "SEAT_WRITES", ZINC_SEAT_WRITES) < 0) return -1;
    if (PyModule_AddIntConstant(module, "QUEUE", ZINC_QUEUE) < 0) return -1;
    if (PyModule_AddIntConstant(module, "QUEUE_AT_MOST_ONCE", ZINC_QUEUE_AT_MOST_ONCE) < 0) return -1;
    if (PyModule_AddIntConstant(module, "TASK_WAITS", ZINC_TASK_WAITS) < 0) return -1;
    if (PyModule_AddIntConstant(module, "TASK_HELD", ZINC_TASK_HELD) < 0) return -1;
    if (PyModule_AddIntConstant(module, "SEAT_READS", ZINC_SEAT_READS) < 0) return -1;
    if (PyModule_AddIntConstant(module, "SEAT_WORKS", ZINC_SEAT_WORKS) < 0) return -1;

    PyObject *unknown = Py_BuildValue("{s:i}", "limit", 0);
    if (!unknown) return -1;
    state->view_limit_error = PyErr_NewExceptionWithDoc(
        "zinc.ViewLimitError",
        "A reader holds as many messages as its channel lets it, and asks for another.\n\n"
        "An OSError whose errno is ENOBUFS; `limit` is how many. A message is held until its object\n"
        "and every array and memoryview of it are gone; the channel's creator says how many may be,\n"
        "by `views`. Nobody else notices, and the message is still there.",
        PyExc_OSError, unknown);
    Py_DECREF(unknown);
    if (!state->view_limit_error) return -1;
    if (PyModule_AddObjectRef(module, "ViewLimitError", state->view_limit_error) < 0) return -1;
    state->full_error = PyErr_NewExceptionWithDoc(
        "zinc._zinc.FullError", "There was no room in time: no TimeoutError of a signal handler's.",
        PyExc_TimeoutError, NULL);
    if (!state->full_error) return -1;
    return PyModule_AddObjectRef(module, "FullError", state->full_error);
}

static int module_exec(PyObject *module) {
    ModuleState *state = PyModule_GetState(module);
    state->region_type = PyType_FromModuleAndSpec(module, &zinc_region_spec, NULL);
    if (!state->region_type) return -1;
    if (PyModule_AddType(module, (PyTypeObject *)state->region_type) < 0) return -1;
    state->export_type = PyType_FromModuleAndSpec(module, &zinc_export_spec, NULL);
    if (!state->export_type) return -1;
    if (PyModule_AddType(module, (PyTypeObject *)state->export_type) < 0) return -1;

    state->not_a_region_error = PyErr_NewExceptionWithDoc(
        "zinc.NotARegionError",
        "What has the region's place in /dev/shm is not a zinc region, or a damaged one.\n\n"
        "An OSError whose errno is EBADMSG; nothing was changed or removed.",
        PyExc_OSError, NULL);
    if (!state->not_a_region_error) return -1;
    if (PyModule_AddObjectRef(module, "NotARegionError", state->not_a_region_error) < 0) return -1;
    if (add_locks(module, state) < 0) return -1;
    if (add_channels(module, state) < 0) return -1;
    if (add_type(module, &zinc_parts_spec, NULL, &state->parts_type) < 0) return -1;
    if (add_type(module, &zinc_later_spec, NULL, &state->later_type) < 0) return -1;
    if (PyModule_AddIntConstant(module, "LATER_REGION", LATER_REGION) < 0) return -1;
    if (PyModule_AddIntConstant(module, "LATER_BYTES", LATER_BYTES) < 0) return -1;
    if (PyModule_AddIntConstant(module, "PRIVATE", PRIVATE) < 0) return -1;

    if (PyModule_AddIntConstant(module, "VERSION", zinc_version()) < 0) return -1;
    if (PyModule_AddStringConstant(module, "SWIFT_VERSION", ZINC_SWIFT_VERSION) < 0) return -1;
    if (PyModule_AddStringConstant(module, "EXTENSION", EXTENSION) < 0) return -1;
    if (PyModule_AddIntConstant(module, "PERSISTENT", ZINC_PERSISTENT) < 0) return -1;
    if (PyModule_AddIntConstant(module, "WAKES_ALWAYS", ZINC_WAKES_ALWAYS) < 0) return -1;
    if (PyModule_AddIntConstant(module, "SPARSE", ZINC_SPARSE) < 0) return -1;
    if (PyModule_AddIntConstant(module, "LOCAL", ZINC_LOCAL) < 0) return -1;
    if (PyModule_AddIntConstant(module, "REPLACE", ZINC_REPLACE) < 0) return -1;
    if (PyModule_AddIntConstant(module, "HUGEPAGES", ZINC_HUGEPAGES) < 0) return -1;
    if (PyModule_AddIntConstant(module, "PREFAULT", ZINC_PREFAULT) < 0) return -1;
    if (PyModule_AddIntConstant(module, "TRANSIENT", ZINC_TRANSIENT) < 0) return -1;
    if (PyModule_AddIntConstant(module, "READONLY", ZINC_READONLY) < 0) return -1;
    if (PyModule_AddIntConstant(module, "ANY_USER", ZINC_ANY_USER) < 0) return -1;
    if (PyModule_AddIntConstant(module, "FORCE", ZINC_FORCE) < 0) return -1;
    if (PyModule_AddIntConstant(module, "STORE", ZINC_STORE_KIND) < 0) return -1;
    if (PyModule_AddIntConstant(module, "STORE_REPLACE", ZINC_STORE_REPLACE) < 0) return -1;
    if (PyModule_AddIntConstant(module, "OBJECT_PRESENT", ZINC_OBJECT_PRESENT) < 0) return -1;
    return PyModule_AddIntConstant(module, "IF_UNUSED", ZINC_IF_UNUSED);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    ModuleState *state = PyModule_GetState(module);
    Py_VISIT(state->region_type);
    Py_VISIT(state->export_type);
    Py_VISIT(state->not_a_region_error);
    Py_VISIT(state->lock_type);
    Py_VISIT(state->recovery_type);
    Py_VISIT(state->owner_died_error);
    Py_VISIT(state->channel_reader_type);
    Py_VISIT(state->worker_type);
    Py_VISIT(state->message_type);
    Py_VISIT(state->loan_type);
    Py_VISIT(state->slot_type);
    Py_VISIT(state->view_limit_error);
    Py_VISIT(state->full_error);
    Py_VISIT(state->array_type);
    Py_VISIT(state->parts_type);
    Py_VISIT(state->later_type);
    Py_VISIT((PyObject *)state->collector);
    Py_VISIT(state->pickler_type);
    Py_VISIT(state->loads);
    Py_VISIT(state->copyreg_table);
    Py_VISIT(state->kinds);
    Py_VISIT(state->make_table);
    Py_VISIT(state->attach);
    Py_VISIT(state->give_back);
    return 0;
}

static int module_clear(PyObject *module) {
    ModuleState *state = PyModule_GetState(module);
    Py_CLEAR(state->region_type);
    Py_CLEAR(state->export_type);
    Py_CLEAR(state->not_a_region_error);
    Py_CLEAR(state->lock_type);
    Py_CLEAR(state->recovery_type);
    Py_CLEAR(state->owner_died_error);
    Py_CLEAR(state->channel_reader_type);
    Py_CLEAR(state->worker_type);
    Py_CLEAR(state->message_type);
    Py_CLEAR(state->loan_type);
    Py_CLEAR(state->slot_type);
    Py_CLEAR(state->view_limit_error);
    Py_CLEAR(state->full_error);
    Py_CLEAR(state->array_type);
    Py_CLEAR(state->base_name);
    Py_CLEAR(state->parts_type);
    Py_CLEAR(state->later_type);
    Py_XDECREF((PyObject *)EXCHANGE(state->collector, NULL));
    Py_XDECREF((PyObject *)EXCHANGE(state->pickler_type, NULL));
    Py_XDECREF((PyObject *)EXCHANGE(state->loads, NULL));
    Py_XDECREF((PyObject *)EXCHANGE(state->copyreg_table, NULL));
    Py_XDECREF((PyObject *)EXCHANGE(state->kinds, NULL));
    Py_XDECREF((PyObject *)EXCHANGE(state->make_table, NULL));
    Py_XDECREF((PyObject *)EXCHANGE(state->attach, NULL));
    Py_XDECREF((PyObject *)EXCHANGE(state->give_back, NULL));
    return 0;
}

static PyMethodDef module_methods[] = {
    {"create", zinc_module_create, METH_VARARGS,
     "create(cls, name, capacity, flags, mode, may_exist, metadata, kind, contents=None, group=None)"},
    {"create_object", zinc_module_create_object, METH_VARARGS,
     "create_object(cls, name, parts, mode, group, kind, is_readonly)"},
    {"rename", zinc_module_rename, METH_VARARGS, "rename(region, name) -> bool, if nobody else has it"},
    {"anonymous", zinc_module_anonymous, METH_VARARGS,
     "anonymous(cls, capacity, flags, metadata, kind, contents=None)"},
    {"open", zinc_module_open, METH_VARARGS, "open(cls, name, flags, timeout_ms)"},
    {"open_kind", zinc_module_open_kind, METH_VARARGS,
     "open_kind(cls, kind, count, name, flags, mode, group)"},
    {"create_channel", zinc_module_create_channel, METH_VARARGS,
     "create_channel(cls, name, flags, mode, group, metadata, payload, messages, how, writers, readers, "
     "views)"},
    {"examine_channel", zinc_module_examine_channel, METH_VARARGS,
     "examine_channel(region) -> (payload, messages, slots, views, how, newest)"},
    {"channel_keeps", zinc_module_channel_keeps, METH_VARARGS, "channel_keeps(region, number) -> bool"},
    {"examine_queue", zinc_module_examine_queue, METH_VARARGS,
     "examine_queue(region) -> (waiting, held, left, is_closed)"},
    {"close_queue", zinc_module_close_queue, METH_VARARGS, "close_queue(region)"},
    {"join_queue", zinc_module_join_queue, METH_VARARGS, "join_queue(region, timeout_ms)"},
    {"find_message", zinc_module_find_message, METH_VARARGS, NULL},
    {"store_create", zinc_module_store_create, METH_VARARGS,
     "store_create(cls, name, capacity, full, may_exist, flags, mode, group)"},
    {"store_begin", zinc_module_store_begin, METH_VARARGS,
     "store_begin(cls, store, key, capacity, flags, kind, metadata, contents, timeout_ms)"},
    {"store_seal", zinc_module_store_seal, METH_VARARGS, "store_seal(store, object, flags, gives_up)"},
    {"store_get", zinc_module_store_get, METH_VARARGS,
     "store_get(cls, store, key, takes, timeout_ms) -> region, or None"},
    {"store_remove", zinc_module_store_remove, METH_VARARGS, "store_remove(store, key) -> bool"},
    {"store_pin", zinc_module_store_pin, METH_VARARGS, "store_pin(store, key, pinned) -> bool"},
    {"store_evict", zinc_module_store_evict, METH_VARARGS, "store_evict(store, bytes) -> bytes"},
    {"store_find", zinc_module_store_find, METH_VARARGS,
     "store_find(store, key) -> (key, capacity, memory, created_at, state, kind, pinned, name)"},
    {"store_list", zinc_module_store_list, METH_VARARGS, "store_list(store) -> [find()]"},
    {"store_examine", zinc_module_store_examine, METH_VARARGS,
     "store_examine(store) -> (capacity, used, objects, events, puts, hits, misses, evictions, removals, "
     "full)"},
    {"store_events", zinc_module_store_events, METH_VARARGS,
     "store_events(store, next) -> ([(change, key, capacity, time)], next, lost)"},
    {"from_fd", zinc_module_from_fd, METH_VARARGS, "from_fd(cls, fd, flags)"},
    {"shortfall", zinc_module_shortfall, METH_VARARGS, "shortfall(region, flag) -> why"},
    {"unlink", zinc_module_unlink, METH_VARARGS, "unlink(name, flags)"},
    {"reclaim", zinc_module_reclaim, METH_NOARGS, "reclaim() -> {name: bytes}"},
    {"names", zinc_module_names, METH_NOARGS, "names() -> [name]"},
    {"place", zinc_module_place, METH_NOARGS, "place() -> (machine, memory, processes)"},
    {"examine", zinc_module_examine, METH_VARARGS, "examine(name) -> {field: value}"},
    {"channel_users", zinc_module_channel_users, METH_VARARGS,
     "channel_users(region) -> seats() of who writes or reads, and (waiting_since, next, lost, views, "
     "evicted)"},
    {"examine_channel_name", zinc_module_examine_channel_name, METH_VARARGS,
     "examine_channel_name(name) -> (examine_channel(), channel_users())"},
    {"examine_queue_name", zinc_module_examine_queue_name, METH_VARARGS,
     "examine_queue_name(name) -> (examine_queue(), channel_users())"},
    {"seats", zinc_module_seats, METH_VARARGS, "seats(region) -> [(number, role, pid, alive, since)]"},
    {"examine_seats", zinc_module_examine_seats, METH_VARARGS, "examine_seats(name) -> as seats()"},
    {"examine_lock", zinc_module_examine_lock, METH_VARARGS, "examine_lock(name) -> (state, pid, since)"},
    {"wait_many", zinc_module_wait_many, METH_VARARGS,
     "wait_many(regions, timeout_ms, for_all, after) -> news"},
    {"dump", (PyCFunction)(void (*)(void))zinc_module_dump, METH_FASTCALL, "dump(cls, object) -> Parts"},
    {"load", (PyCFunction)(void (*)(void))zinc_module_load, METH_FASTCALL,
     "load(slot, copy, taken) -> object"},
    {"array_type", zinc_module_array_type, METH_O, "array_type(numpy.ndarray) -> type"},
    {NULL, NULL, 0, NULL},
};

/*
 * Nothing here is shared by interpreters or guarded by the GIL. Older versions of Python
 * than the one in front of each slot do not know it, and have no use for it; the numbers
 * and values are those of their moduleobject.h, which the limited API of 3.11 lacks.
 */
enum { MULTIPLE_INTERPRETERS_SLOT = 3, PER_INTERPRETER_GIL = 2, GIL_SLOT = 4, GIL_NOT_USED = 1 };

static PyModuleDef_Slot module_slots[] = {
    /* 3.13 */ {GIL_SLOT, (void *)GIL_NOT_USED},
    /* 3.12 */ {MULTIPLE_INTERPRETERS_SLOT, (void *)PER_INTERPRETER_GIL},
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef zinc_module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_zinc",
    .m_doc = "The native half of zinc; use the package zinc.",
    .m_size = sizeof(ModuleState),
    .m_methods = module_methods,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__zinc(void) {
    zinc_module.m_slots = module_slots + (Py_Version < 0x030D0000) + (Py_Version < 0x030C0000);
    return PyModuleDef_Init(&zinc_module);
}
