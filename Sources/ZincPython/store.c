/* Stores: what the class Store in python/zinc/_store.py is made of. A key is bytes here. */
#include "channel.h"
#include "object.h"

#include <errno.h>
#include <stdlib.h>

/* A call about a store: its handle, and the key that it is about. */
typedef struct {
    ModuleState *state;
    Region *region;
    ZincHandle handle;
    const char *key;
    Py_ssize_t length;
} Call;

/* 0 with an exception if the store is closed. */
static int begin(Call *call, PyObject *module, PyObject *region) {
    call->state = PyModule_GetState(module);
    if (!PyObject_TypeCheck(region, (PyTypeObject *)call->state->region_type)) {
        PyErr_Format(PyExc_TypeError, "a SharedRegion is needed, not %R", region);
        return 0;
    }
    call->region = (Region *)region;
    return (call->handle = region_begin(call->region)) != NULL;
}

/* The handle of an object, as one of `type`; None where there is none. */
static PyObject *object_of(PyObject *module, PyObject *type, ZincHandle object, int32_t status) {
    if (status == -ENOENT) Py_RETURN_NONE;
    PyObject *name = status < 0 ? Py_NewRef(Py_None) : PyUnicode_FromString(zinc_region_name(object));
    if (!name) {
        zinc_close(object);
        return NULL;
    }
    PyObject *result = region_attached(module, type, name, object, status);
    Py_DECREF(name);
    return result;
}

static PyObject *none_or_raise(Call *call, int32_t status) {
    region_end(call->region);
    if (status < 0) return zinc_raise(call->state, status);
    Py_RETURN_NONE;
}

PyObject *zinc_module_store_create(PyObject *module, PyObject *args) {
    PyObject *type, *name;
    unsigned long long capacity;
    unsigned full;
    int may_exist;
    ZincOptions options = {.size = sizeof options};
    if (!PyArg_ParseTuple(args, "OUKIpIO&O&:store_create", &type, &name, &capacity, &full, &may_exist,
                          &options.flags, zinc_convert_mode, &options.mode, zinc_convert_group, &options))
        return NULL;
    const char *text = zinc_name_argument(name);
    if (!text || !region_check_type(module, type)) return NULL;
    ZincHandle handle;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = may_exist
                                        ? zinc_store_open_or_create(text, capacity, full, &options, &handle)
                                        : zinc_store_create(text, capacity, full, &options, &handle);
    Py_END_ALLOW_THREADS return region_attached(module, type, name, handle, status);
}

/* What is written at once: an object's parts, or bytes. */
typedef struct {
    Py_buffer bytes, metadata;
    ZincPiece *pieces;
    int has_later;
} Contents;

static int32_t begin_object(Call *call, uintptr_t capacity, unsigned flags, const ZincOptions *options,
                            PyObject *timeout, ZincHandle *object) {
    ZincWaitOptions wait = {.size = sizeof wait, .flags = ZINC_WAIT_INTERRUPTIBLE};
    if (!zinc_convert_timeout(timeout, &wait.deadline_ns)) return 1;
    int32_t status;
    do {
        Py_BEGIN_ALLOW_THREADS status = zinc_store_begin(call->handle, call->key, (uintptr_t)call->length,
                                                         capacity, flags, options, &wait, object);
        Py_END_ALLOW_THREADS if (status == -EINTR && PyErr_CheckSignals() < 0) return 1;
    } while (status == -EINTR);
    return status;
}

PyObject *zinc_module_store_begin(PyObject *module, PyObject *args) {
    PyObject *type, *region, *contents, *timeout;
    unsigned flags;
    Call call;
    uintptr_t capacity;
    ZincOptions options = {.size = sizeof options};
    Contents has = {.pieces = NULL};
    if (!PyArg_ParseTuple(args, "OOy#O&IO&y*OO:store_begin", &type, &region, &call.key, &call.length,
                          zinc_convert_capacity, &capacity, &flags, zinc_convert_kind, &options.kind,
                          &has.metadata, &contents, &timeout))
        return NULL;
    PyObject *result = NULL;
    Parts *parts = NULL;
    options.metadata = has.metadata.buf;
    options.metadata_length = (uintptr_t)has.metadata.len;
    if (!region_check_type(module, type) || !begin(&call, module, region)) goto out;
    if (PyObject_TypeCheck(contents, (PyTypeObject *)call.state->parts_type)) {
        parts = (Parts *)contents;
        options.pieces = has.pieces = parts_pieces(parts, &options.piece_count);
        if (!has.pieces) goto end;
        has.has_later = parts_have(parts, LATER);
        capacity = parts->size;
    } else if (contents != Py_None) {
        if (PyObject_GetBuffer(contents, &has.bytes, PyBUF_SIMPLE) < 0) goto end;
        options.contents = has.bytes.buf;
        options.contents_length = (uintptr_t)has.bytes.len;
    }
    if (contents != Py_None && !has.has_later) options.flags = ZINC_SPARSE; /* all is written now */
    ZincHandle object = NULL;
    int32_t status = begin_object(&call, capacity, flags, &options, timeout, &object);
    if (status <= 0) result = object_of(module, type, object, status);
    if (result && has.has_later && parts_write_later(parts, zinc_ptr(object)) < 0) {
        zinc_store_abort(call.handle, object);
        Py_CLEAR(result);
    }
    if (has.bytes.obj) PyBuffer_Release(&has.bytes);
    PyMem_Free(has.pieces);
end:
    region_end(call.region);
out:
    PyBuffer_Release(&has.metadata);
    return result;
}

PyObject *zinc_module_store_seal(PyObject *module, PyObject *args) {
    PyObject *region, *made;
    unsigned flags;
    int gives_up;
    Call call;
    if (!PyArg_ParseTuple(args, "OOIp:store_seal", &region, &made, &flags, &gives_up)) return NULL;
    if (!begin(&call, module, region)) return NULL;
    Call object;
    if (!begin(&object, module, made)) return region_ended(call.region, NULL);
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = gives_up ? zinc_store_abort(call.handle, object.handle)
                                             : zinc_store_seal(call.handle, object.handle, flags);
    Py_END_ALLOW_THREADS region_end(object.region);
    return none_or_raise(&call, status);
}

PyObject *zinc_module_store_get(PyObject *module, PyObject *args) {
    PyObject *type, *region, *timeout;
    int takes;
    Call call;
    if (!PyArg_ParseTuple(args, "OOy#pO:store_get", &type, &region, &call.key, &call.length, &takes,
                          &timeout))
        return NULL;
    ZincWaitOptions wait = {.size = sizeof wait, .flags = ZINC_WAIT_INTERRUPTIBLE};
    if (!zinc_convert_timeout(timeout, &wait.deadline_ns)) return NULL;
    if (!region_check_type(module, type) || !begin(&call, module, region)) return NULL;
    ZincHandle object;
    int32_t status;
    do {
        Py_BEGIN_ALLOW_THREADS status =
            takes ? zinc_store_take(call.handle, call.key, (uintptr_t)call.length, &object)
                  : zinc_store_get(call.handle, call.key, (uintptr_t)call.length, &wait, &object);
        Py_END_ALLOW_THREADS if (status == -EINTR &&
                                 PyErr_CheckSignals() < 0) return region_ended(call.region, NULL);
    } while (status == -EINTR);
    return region_ended(call.region, object_of(module, type, object, status));
}

PyObject *zinc_module_store_remove(PyObject *module, PyObject *args) {
    PyObject *region;
    Call call;
    if (!PyArg_ParseTuple(args, "Oy#:store_remove", &region, &call.key, &call.length)) return NULL;
    if (!begin(&call, module, region)) return NULL;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_store_remove(call.handle, call.key, (uintptr_t)call.length);
    Py_END_ALLOW_THREADS region_end(call.region);
    if (status < 0 && status != -ENOENT) return zinc_raise(call.state, status);
    return PyBool_FromLong(status == 0);
}

PyObject *zinc_module_store_pin(PyObject *module, PyObject *args) {
    PyObject *region;
    int pinned;
    Call call;
    if (!PyArg_ParseTuple(args, "Oy#p:store_pin", &region, &call.key, &call.length, &pinned)) return NULL;
    if (!begin(&call, module, region)) return NULL;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status =
        zinc_store_pin(call.handle, call.key, (uintptr_t)call.length, (uint32_t)pinned);
    Py_END_ALLOW_THREADS region_end(call.region);
    if (status < 0 && status != -ENOENT) return zinc_raise(call.state, status);
    return PyBool_FromLong(status == 0);
}

PyObject *zinc_module_store_evict(PyObject *module, PyObject *args) {
    PyObject *region;
    unsigned long long bytes;
    Call call;
    if (!PyArg_ParseTuple(args, "OK:store_evict", &region, &bytes)) return NULL;
    if (!begin(&call, module, region)) return NULL;
    uint64_t freed = 0;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_store_evict(call.handle, bytes, &freed);
    Py_END_ALLOW_THREADS region_end(call.region);
    return status < 0 ? zinc_raise(call.state, status) : PyLong_FromUnsignedLongLong(freed);
}

static PyObject *entry_told(const ZincStoreEntry *entry) {
    return Py_BuildValue("(y#KKKIINs)", (const char *)entry->key, (Py_ssize_t)entry->key_length,
                         (unsigned long long)entry->capacity, (unsigned long long)entry->memory,
                         (unsigned long long)entry->created_at, entry->state, entry->kind,
                         PyBool_FromLong((long)entry->pinned), entry->name);
}

PyObject *zinc_module_store_find(PyObject *module, PyObject *args) {
    PyObject *region;
    Call call;
    if (!PyArg_ParseTuple(args, "Oy#:store_find", &region, &call.key, &call.length)) return NULL;
    if (!begin(&call, module, region)) return NULL;
    ZincStoreEntry entry = {.size = sizeof entry};
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_store_find(call.handle, call.key, (uintptr_t)call.length, &entry);
    Py_END_ALLOW_THREADS region_end(call.region);
    if (status == -ENOENT) Py_RETURN_NONE;
    return status < 0 ? zinc_raise(call.state, status) : entry_told(&entry);
}

/* The core tells of each object without the GIL, so they are kept as C has them until it is back. */
typedef struct {
    ZincStoreEntry *entries;
    size_t count, capacity;
    int is_incomplete;
} Entries;

static void note(const ZincStoreEntry *entry, void *context) {
    Entries *noted = context;
    if (noted->count == noted->capacity) {
        size_t capacity = noted->capacity * 2 + 64;
        ZincStoreEntry *entries = realloc(noted->entries, capacity * sizeof *entries);
        if (!entries) {
            noted->is_incomplete = 1;
            return;
        }
        noted->entries = entries;
        noted->capacity = capacity;
    }
    noted->entries[noted->count++] = *entry;
}

PyObject *zinc_module_store_list(PyObject *module, PyObject *args) {
    PyObject *region;
    Call call;
    if (!PyArg_ParseTuple(args, "O:store_list", &region)) return NULL;
    if (!begin(&call, module, region)) return NULL;
    Entries noted = {0};
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_store_list(call.handle, note, &noted);
    Py_END_ALLOW_THREADS region_end(call.region);
    PyObject *result = NULL;
    if (status < 0)
        zinc_raise(call.state, status);
    else if (noted.is_incomplete)
        PyErr_NoMemory();
    else
        result = PyList_New(0);
    for (size_t i = 0; result && i < noted.count; i++) {
        PyObject *told = entry_told(noted.entries + i);
        if (!told || PyList_Append(result, told) < 0) Py_CLEAR(result);
        Py_XDECREF(told);
    }
    free(noted.entries);
    return result;
}

PyObject *zinc_module_store_examine(PyObject *module, PyObject *args) {
    PyObject *region;
    Call call;
    if (!PyArg_ParseTuple(args, "O:store_examine", &region)) return NULL;
    if (!begin(&call, module, region)) return NULL;
    ZincStoreInfo info = {.size = sizeof info};
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_store_examine(call.handle, &info);
    Py_END_ALLOW_THREADS region_end(call.region);
    if (status < 0) return zinc_raise(call.state, status);
    return Py_BuildValue("(KKKKKKKKKI)", (unsigned long long)info.capacity, (unsigned long long)info.used,
                         (unsigned long long)info.objects, (unsigned long long)info.events,
                         (unsigned long long)info.puts, (unsigned long long)info.hits,
                         (unsigned long long)info.misses, (unsigned long long)info.evictions,
                         (unsigned long long)info.removals, info.full);
}

enum { EVENTS = 64 };

PyObject *zinc_module_store_events(PyObject *module, PyObject *args) {
    PyObject *region;
    unsigned long long from;
    Call call;
    if (!PyArg_ParseTuple(args, "OK:store_events", &region, &from)) return NULL;
    if (!begin(&call, module, region)) return NULL;
    ZincStoreEvent events[EVENTS];
    uint64_t next = from, lost = 0;
    uint32_t found = 0;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_store_events(call.handle, &next, events, EVENTS, &found, &lost);
    Py_END_ALLOW_THREADS region_end(call.region);
    if (status < 0) return zinc_raise(call.state, status);
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list && i < found; i++) {
        const ZincStoreEvent *event = events + i;
        PyObject *told =
            Py_BuildValue("(Iy#KK)", event->change, (const char *)event->key, (Py_ssize_t)event->key_length,
                          (unsigned long long)event->capacity, (unsigned long long)event->time);
        if (!told || PyList_Append(list, told) < 0) Py_CLEAR(list);
        Py_XDECREF(told);
    }
    return list ? Py_BuildValue("(NKK)", list, (unsigned long long)next, (unsigned long long)lost) : NULL;
}
