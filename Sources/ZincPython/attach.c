/* The ways to attach: create, open, a region without a name, and by a descriptor. */
#include "channel.h"
#include "object.h"

#include <errno.h>

/* Owns the handle, also when it fails. */
static PyObject *region_from_handle(PyObject *module, PyObject *type, ZincHandle handle, PyObject *name) {
    allocfunc allocate = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    Region *self = (Region *)allocate((PyTypeObject *)type, 0);
    if (!self) {
        zinc_close(handle);
        return NULL;
    }
    ModuleState *state = PyModule_GetState(module);
    self->handle = handle;
    self->export_type = (PyTypeObject *)Py_NewRef(state->export_type);
    self->name = Py_NewRef(name);
    self->capacity = (Py_ssize_t)zinc_capacity(handle);
    self->id = zinc_region_id(handle);
    self->kind = zinc_region_kind(handle);
    self->is_readonly = (char)zinc_region_is_readonly(handle);
    self->is_created = (char)zinc_region_is_created(handle);
    return (PyObject *)self;
}

int region_check_type(PyObject *module, PyObject *type) {
    ModuleState *state = PyModule_GetState(module);
    if (PyType_Check(type) && PyType_IsSubtype((PyTypeObject *)type, (PyTypeObject *)state->region_type))
        return 1;
    PyErr_Format(PyExc_TypeError, "a subclass of SharedRegion is needed, not %R", type);
    return 0;
}

PyObject *region_attached(PyObject *module, PyObject *type, PyObject *name, ZincHandle handle,
                          int32_t status) {
    if (status < 0) return zinc_raise(PyModule_GetState(module), status);
    return region_from_handle(module, type, handle, name);
}

static void set_bytes(ZincOptions *options, const Py_buffer *metadata, const Py_buffer *contents) {
    options->metadata = metadata->buf;
    options->metadata_length = (uintptr_t)metadata->len;
    options->contents = contents->buf;
    options->contents_length = contents->buf ? (uintptr_t)contents->len : 0;
}

PyObject *zinc_module_create(PyObject *module, PyObject *args) {
    PyObject *type, *name;
    uintptr_t capacity;
    int may_exist;
    ZincOptions options = {.size = sizeof options};
    Py_buffer metadata, contents = {.buf = NULL};
    if (!PyArg_ParseTuple(args, "OUO&IO&py*O&|z*O&:create", &type, &name, zinc_convert_capacity, &capacity,
                          &options.flags, zinc_convert_mode, &options.mode, &may_exist, &metadata,
                          zinc_convert_kind, &options.kind, &contents, zinc_convert_group, &options))
        return NULL;
    set_bytes(&options, &metadata, &contents);
    const char *text = zinc_name_argument(name);
    PyObject *result = NULL;
    if (text && region_check_type(module, type)) {
        ZincHandle handle;
        int32_t status;
        Py_BEGIN_ALLOW_THREADS status = may_exist
                                            ? zinc_region_open_or_create(text, capacity, &options, &handle)
                                            : zinc_region_create(text, capacity, &options, &handle);
        Py_END_ALLOW_THREADS result = region_attached(module, type, name, handle, status);
    }
    PyBuffer_Release(&metadata);
    PyBuffer_Release(&contents);
    return result;
}

PyObject *zinc_module_create_object(PyObject *module, PyObject *args) {
    ModuleState *state = PyModule_GetState(module);
    PyObject *type, *name, *object;
    int is_readonly;
    ZincOptions options = {.size = sizeof options};
    if (!PyArg_ParseTuple(args, "OUO!O&O&O&p:create_object", &type, &name, state->parts_type, &object,
                          zinc_convert_mode, &options.mode, zinc_convert_group, &options, zinc_convert_kind,
                          &options.kind, &is_readonly))
        return NULL;
    const char *text = zinc_name_argument(name);
    if (!text || !region_check_type(module, type)) return NULL;
    Parts *parts = (Parts *)object;
    ZincPiece *pieces = parts_pieces(parts, &options.piece_count);
    if (!pieces) return NULL;
    options.pieces = pieces;
    /* Nothing is left to reserve where all is written now. */
    int has_later = parts_have(parts, LATER);
    if (!has_later) options.flags |= ZINC_SPARSE;
    ZincHandle handle;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_region_create(text, parts->size, &options, &handle);
    Py_END_ALLOW_THREADS PyMem_Free(pieces);
    PyObject *result = region_attached(module, type, name, handle, status);
    if (result && has_later && parts_write_later(parts, zinc_ptr(handle)) < 0) Py_CLEAR(result);
    if (result && is_readonly) {
        status = zinc_region_protect(handle);
        ((Region *)result)->is_readonly = 1;
        if (status < 0) {
            Py_DECREF(result);
            return zinc_raise(state, status);
        }
    }
    return result;
}

PyObject *zinc_module_rename(PyObject *module, PyObject *args) {
    ModuleState *state = PyModule_GetState(module);
    PyObject *object, *name;
    if (!PyArg_ParseTuple(args, "O!U:rename", state->region_type, &object, &name)) return NULL;
    Region *region = (Region *)object;
    const char *text = zinc_name_argument(name);
    ZincHandle handle = text ? region_begin(region) : NULL;
    if (!handle) return NULL;
    /* Nor may anybody here have it: no views, and no other call. */
    int is_free = region->uses == ONE_USE && !region->keeps;
    int32_t status = 0;
    if (is_free) {
        Py_BEGIN_ALLOW_THREADS status = zinc_region_rename(handle, text);
        Py_END_ALLOW_THREADS
    }
    if (status > 0) {
        PyObject *former = EXCHANGE(region->name, Py_NewRef(name));
        Py_DECREF(former);
    }
    region_end(region);
    return status < 0 ? zinc_raise(state, status) : PyBool_FromLong(status);
}

PyObject *zinc_module_anonymous(PyObject *module, PyObject *args) {
    PyObject *type;
    uintptr_t capacity;
    ZincOptions options = {.size = sizeof options};
    Py_buffer metadata, contents = {.buf = NULL};
    if (!PyArg_ParseTuple(args, "OO&Iy*O&|z*:anonymous", &type, zinc_convert_capacity, &capacity,
                          &options.flags, &metadata, zinc_convert_kind, &options.kind, &contents))
        return NULL;
    set_bytes(&options, &metadata, &contents);
    PyObject *result = NULL;
    if (region_check_type(module, type)) {
        ZincHandle handle;
        int32_t status;
        Py_BEGIN_ALLOW_THREADS status = zinc_region_create_anonymous(capacity, &options, &handle);
        Py_END_ALLOW_THREADS result = region_attached(module, type, Py_None, handle, status);
    }
    PyBuffer_Release(&metadata);
    PyBuffer_Release(&contents);
    return result;
}

PyObject *zinc_module_open(PyObject *module, PyObject *args) {
    PyObject *type, *name, *timeout;
    unsigned flags;
    if (!PyArg_ParseTuple(args, "OUIO:open", &type, &name, &flags, &timeout)) return NULL;
    const char *text = zinc_name_argument(name);
    ZincWaitOptions wait = {.size = sizeof wait, .flags = ZINC_WAIT_INTERRUPTIBLE};
    if (!text || !region_check_type(module, type) || !zinc_convert_timeout(timeout, &wait.deadline_ns))
        return NULL;
    ZincOptions options = {.size = sizeof options, .flags = flags};
    ZincHandle handle;
    int32_t status;
    do {
        Py_BEGIN_ALLOW_THREADS status = wait.deadline_ns == 0
                                            ? zinc_region_open(text, &options, &handle)
                                            : zinc_region_await(text, &options, &wait, &handle);
        Py_END_ALLOW_THREADS if (status == -EINTR && PyErr_CheckSignals() < 0) return NULL;
    } while (status == -EINTR);
    return region_attached(module, type, name, handle, status);
}

PyObject *zinc_module_open_kind(PyObject *module, PyObject *args) {
    PyObject *type, *name;
    unsigned kind, parts;
    ZincOptions options = {.size = sizeof options};
    if (!PyArg_ParseTuple(args, "OO&O&OIO&O&:open_kind", &type, zinc_convert_kind, &kind, zinc_convert_count,
                          &parts, &name, &options.flags, zinc_convert_mode, &options.mode, zinc_convert_group,
                          &options))
        return NULL;
    if (!PyUnicode_Check(name)) return PyErr_Format(PyExc_TypeError, "a name is a str, not %R", name);
    const char *text = zinc_name_argument(name);
    if (!text || !region_check_type(module, type)) return NULL;
    ZincHandle handle = NULL;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_primitive_open(text, kind, parts, &options, &handle);
    Py_END_ALLOW_THREADS return region_attached(module, type, name, handle, status);
}

PyObject *zinc_module_create_channel(PyObject *module, PyObject *args) {
    PyObject *type, *name;
    uintptr_t payload;
    ZincOptions options = {.size = sizeof options};
    ZincChannelOptions channel = {.size = sizeof channel};
    Py_buffer metadata;
    if (!PyArg_ParseTuple(args, "OOIO&O&y*O&O&IO&O&O&:create_channel", &type, &name, &options.flags,
                          zinc_convert_mode, &options.mode, zinc_convert_group, &options, &metadata,
                          zinc_convert_capacity, &payload, zinc_convert_count, &channel.messages,
                          &channel.flags, zinc_convert_count, &channel.writers, zinc_convert_count,
                          &channel.readers, zinc_convert_count, &channel.views))
        return NULL;
    channel.payload = payload;
    options.metadata = metadata.buf;
    options.metadata_length = (uintptr_t)metadata.len;
    int has_name = name != Py_None;
    const char *text = has_name ? zinc_name_argument(name) : NULL;
    PyObject *result = NULL;
    if ((text || !has_name) && region_check_type(module, type)) {
        if (!has_name) options.mode = 0;
        ZincHandle handle;
        int32_t status;
        Py_BEGIN_ALLOW_THREADS status = has_name ? zinc_channel_create(text, &channel, &options, &handle)
                                                 : zinc_channel_create_anonymous(&channel, &options, &handle);
        Py_END_ALLOW_THREADS result = region_attached(module, type, name, handle, status);
    }
    PyBuffer_Release(&metadata);
    return result;
}

PyObject *zinc_module_examine_channel(PyObject *module, PyObject *args) {
    ModuleState *state = PyModule_GetState(module);
    PyObject *object;
    if (!PyArg_ParseTuple(args, "O!:examine_channel", state->region_type, &object)) return NULL;
    Region *region = (Region *)object;
    ZincHandle handle = region_begin(region);
    if (!handle) return NULL;
    ZincChannelInfo info = {.size = sizeof info};
    int32_t status = zinc_channel_examine(handle, &info);
    region_end(region);
    if (status < 0) return zinc_raise(state, status);
    return zinc_channel_told(&info);
}

PyObject *zinc_module_channel_keeps(PyObject *module, PyObject *args) {
    ModuleState *state = PyModule_GetState(module);
    PyObject *object;
    unsigned long long number;
    if (!PyArg_ParseTuple(args, "O!K:channel_keeps", state->region_type, &object, &number)) return NULL;
    Region *region = (Region *)object;
    ZincHandle handle = region_begin(region);
    if (!handle) return NULL;
    int32_t status = zinc_channel_keeps(handle, number);
    region_end(region);
    return status < 0 ? zinc_raise(state, status) : PyBool_FromLong(status);
}

PyObject *zinc_module_from_fd(PyObject *module, PyObject *args) {
    PyObject *type, *file;
    unsigned flags;
    if (!PyArg_ParseTuple(args, "OOI:from_fd", &type, &file, &flags)) return NULL;
    int descriptor = PyObject_AsFileDescriptor(file);
    if (descriptor < 0 || !region_check_type(module, type)) return NULL;
    ZincOptions options = {.size = sizeof options, .flags = flags};
    ZincHandle handle;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_region_open_descriptor(descriptor, &options, &handle);
    Py_END_ALLOW_THREADS return region_attached(module, type, Py_None, handle, status);
}
