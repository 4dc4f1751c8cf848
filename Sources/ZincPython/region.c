/*
 * SharedRegion: zinc.h for Python. Arguments, the GIL and exceptions are here;
 * what happens is decided by the core.
 */
#include "module.h"

#include <errno.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

/*
 * A region's handle outlives close() for as long as something needs the memory: a
 * call in progress, which may have dropped the GIL, or a buffer, which may be handed
 * on to who knows where (so one taken once keeps it to the end; a buffer's owner
 * holds a reference to us).
 */
#ifdef Py_GIL_DISABLED
#include <stdatomic.h>
#define SHARED _Atomic /* threads meet in these fields */
#define EXCHANGE(field, value) atomic_exchange(&(field), value)
#else
#define SHARED
#define EXCHANGE(field, value) exchange(&(field), value)
static ZincHandle exchange(ZincHandle *field, ZincHandle value) {
    ZincHandle old = *field;
    *field = value;
    return old;
}
#endif

enum { CLOSED = 1, ONE_CALL = 2 };

typedef struct {
    PyObject_HEAD SHARED ZincHandle handle; /* null once freed */
    PyObject *name;
    Py_ssize_t capacity;
    unsigned long long id;
    unsigned kind;
    SHARED uint32_t uses; /* CLOSED, and ONE_CALL for each in progress */
    SHARED char has_views;
    char is_readonly;
} Region;

/* ---- the handle ---- */

/* Ends a call: the last one of a closed region frees what nobody needs. */
static void end(Region *self) {
    if ((self->uses -= ONE_CALL) != CLOSED || self->has_views) return;
    ZincHandle handle = EXCHANGE(self->handle, NULL);
    Py_BEGIN_ALLOW_THREADS zinc_close(handle);
    Py_END_ALLOW_THREADS
}

/* Begins a call, unless the region is closed: then 0. */
static int begin_if_open(Region *self) {
    if (!((self->uses += ONE_CALL) & CLOSED)) return 1;
    end(self);
    return 0;
}

/* The handle, which stays valid until end(); null with an exception if the region is closed. */
static ZincHandle begin(Region *self) {
    if (begin_if_open(self)) return self->handle;
    PyErr_Format(PyExc_ValueError, "region %R is closed", self->name);
    return NULL;
}

static PyObject *ended(Region *self, PyObject *result) {
    end(self);
    return result;
}

/* ---- attaching ---- */

/* The name as UTF-8, or NULL with an exception. */
static const char *name_argument(PyObject *name) {
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(name, &length);
    if (text && strlen(text) != (size_t)length) {
        PyErr_Format(PyExc_ValueError, "the name %R has a NUL in it", name);
        return NULL;
    }
    return text;
}

/*
 * A number that doesn't fit becomes one that no region can have, 0 for those too small and the
 * largest for those too large; the core says what is wrong.
 */
static int convert_capacity(PyObject *number, void *capacity) {
    PyObject *index = PyNumber_Index(number);
    if (!index) return 0;
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (value == -1 && !overflow && PyErr_Occurred()) return 0;
    *(uintptr_t *)capacity = overflow > 0 ? UINTPTR_MAX : overflow < 0 || value < 0 ? 0 : (uintptr_t)value;
    return 1;
}

/* As a capacity; too small and too large are both UINT32_MAX, which is no mode. */
static int convert_mode(PyObject *number, void *mode) {
    uintptr_t value;
    if (!convert_capacity(number, &value)) return 0;
    *(uint32_t *)mode = value == 0 || value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    return 1;
}

/* Owns the handle, also when it fails. */
static PyObject *region_from_handle(PyObject *type, ZincHandle handle, PyObject *name) {
    allocfunc allocate = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    Region *self = (Region *)allocate((PyTypeObject *)type, 0);
    if (!self) {
        zinc_close(handle);
        return NULL;
    }
    self->handle = handle;
    self->name = Py_NewRef(name);
    self->capacity = (Py_ssize_t)zinc_capacity(handle);
    self->id = zinc_region_id(handle);
    self->kind = zinc_region_kind(handle);
    self->is_readonly = (char)zinc_region_is_readonly(handle);
    return (PyObject *)self;
}

/* Is `type` one that region_from_handle can make? */
static int check_type(PyObject *module, PyObject *type) {
    ModuleState *state = PyModule_GetState(module);
    if (PyType_Check(type) && PyType_IsSubtype((PyTypeObject *)type, (PyTypeObject *)state->region_type))
        return 1;
    PyErr_Format(PyExc_TypeError, "a subclass of SharedRegion is needed, not %R", type);
    return 0;
}

/* The object for a handle, or the exception for a status: the end of all the ways to attach. */
static PyObject *attached(PyObject *module, PyObject *type, PyObject *name, ZincHandle handle,
                          int32_t status) {
    if (status < 0) return zinc_raise(PyModule_GetState(module), status);
    return region_from_handle(type, handle, name);
}

PyObject *zinc_module_create(PyObject *module, PyObject *args) {
    PyObject *type, *name;
    uintptr_t capacity;
    int may_exist;
    ZincOptions options = {.size = sizeof options};
    Py_buffer metadata;
    if (!PyArg_ParseTuple(args, "OUO&IO&py*I:create", &type, &name, convert_capacity, &capacity,
                          &options.flags, convert_mode, &options.mode, &may_exist, &metadata, &options.kind))
        return NULL;
    options.metadata = metadata.buf;
    options.metadata_length = (uintptr_t)metadata.len;
    const char *text = name_argument(name);
    PyObject *result = NULL;
    if (text && check_type(module, type)) {
        ZincHandle handle;
        int32_t status;
        Py_BEGIN_ALLOW_THREADS status = may_exist
                                            ? zinc_region_open_or_create(text, capacity, &options, &handle)
                                            : zinc_region_create(text, capacity, &options, &handle);
        Py_END_ALLOW_THREADS result = attached(module, type, name, handle, status);
    }
    PyBuffer_Release(&metadata);
    return result;
}

PyObject *zinc_module_anonymous(PyObject *module, PyObject *args) {
    PyObject *type;
    uintptr_t capacity;
    ZincOptions options = {.size = sizeof options};
    Py_buffer metadata;
    if (!PyArg_ParseTuple(args, "OO&Iy*I:anonymous", &type, convert_capacity, &capacity, &options.flags,
                          &metadata, &options.kind))
        return NULL;
    options.metadata = metadata.buf;
    options.metadata_length = (uintptr_t)metadata.len;
    PyObject *result = NULL;
    if (check_type(module, type)) {
        ZincHandle handle;
        int32_t status;
        Py_BEGIN_ALLOW_THREADS status = zinc_region_create_anonymous(capacity, &options, &handle);
        Py_END_ALLOW_THREADS result = attached(module, type, Py_None, handle, status);
    }
    PyBuffer_Release(&metadata);
    return result;
}

PyObject *zinc_module_open(PyObject *module, PyObject *args) {
    PyObject *type, *name;
    unsigned flags;
    if (!PyArg_ParseTuple(args, "OUI:open", &type, &name, &flags)) return NULL;
    const char *text = name_argument(name);
    if (!text || !check_type(module, type)) return NULL;
    ZincOptions options = {.size = sizeof options, .flags = flags};
    ZincHandle handle;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_region_open(text, &options, &handle);
    Py_END_ALLOW_THREADS return attached(module, type, name, handle, status);
}

PyObject *zinc_module_from_fd(PyObject *module, PyObject *args) {
    PyObject *type, *file;
    unsigned flags;
    if (!PyArg_ParseTuple(args, "OOI:from_fd", &type, &file, &flags)) return NULL;
    int descriptor = PyObject_AsFileDescriptor(file);
    if (descriptor < 0 || !check_type(module, type)) return NULL;
    ZincOptions options = {.size = sizeof options, .flags = flags};
    ZincHandle handle;
    int32_t status = zinc_region_open_descriptor(descriptor, &options, &handle);
    return attached(module, type, Py_None, handle, status);
}

PyObject *zinc_module_unlink(PyObject *module, PyObject *args) {
    PyObject *name;
    int force;
    if (!PyArg_ParseTuple(args, "Up:unlink", &name, &force)) return NULL;
    const char *text = name_argument(name);
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
    const char *text = name_argument(name);
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

static void region_dealloc(Region *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc deallocate = (freefunc)PyType_GetSlot(type, Py_tp_free);
    /* Nobody else has a reference: no calls, no buffers. Detaches if that was not done. */
    zinc_close(self->handle);
    Py_XDECREF(self->name);
    deallocate(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(close_doc, "close($self)\n--\n\n"
                        "Detach from the region. Never raises; a second time does nothing.\n\n"
                        "The last one out takes the name and the memory along. Arrays and memoryviews that\n"
                        "were taken stay valid: the memory is unmapped when the last of them goes. Waits of\n"
                        "other threads on this object end with ValueError.");

static PyObject *region_close(Region *self, PyObject *unused) {
    (void)unused;
    if (!begin_if_open(self)) Py_RETURN_NONE;
    self->uses |= CLOSED;
    Py_BEGIN_ALLOW_THREADS zinc_region_detach(self->handle);
    Py_END_ALLOW_THREADS end(self);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(fileno_doc,
             "fileno($self)\n--\n\n"
             "The descriptor (int) of an anonymous region, to send over a Unix socket or to pass\n"
             "to a child; it stays the region's and is closed with it. Raises ValueError for a\n"
             "region with a name, and if the region is closed.");

static PyObject *region_fileno(Region *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = begin(self);
    if (!handle) return NULL;
    int32_t descriptor = zinc_region_descriptor(handle);
    end(self);
    if (descriptor >= 0) return PyLong_FromLong(descriptor);
    PyErr_Format(PyExc_ValueError, "region %R has a name to open it by, and no descriptor", self->name);
    return NULL;
}

static PyObject *region_enter(Region *self, PyObject *unused) {
    (void)unused;
    return begin(self) ? ended(self, Py_NewRef((PyObject *)self)) : NULL;
}

static PyObject *region_exit(Region *self, PyObject *args) {
    (void)args;
    return region_close(self, NULL);
}

/* ---- bytes ---- */

static int region_getbuffer(Region *self, Py_buffer *view, int flags) {
    view->obj = NULL;
    ZincHandle handle = begin(self);
    if (!handle) return -1;
    int status =
        PyBuffer_FillInfo(view, (PyObject *)self, zinc_ptr(handle), self->capacity, self->is_readonly, flags);
    if (status == 0) self->has_views = 1;
    end(self);
    return status;
}

PyDoc_STRVAR(as_buffer_doc, "as_buffer($self)\n--\n\n"
                            "A memoryview of the data: `capacity` bytes, format 'B', no copy. The same as\n"
                            "memoryview(region). Raises ValueError if the region is closed.");

static PyObject *region_as_buffer(Region *self, PyObject *unused) {
    (void)unused;
    return PyMemoryView_FromObject((PyObject *)self);
}

static Py_ssize_t region_length(Region *self) { return self->capacity; }

static PyObject *region_address(Region *self, void *unused) {
    (void)unused;
    ZincHandle handle = begin(self);
    return handle ? ended(self, PyLong_FromVoidPtr(zinc_ptr(handle))) : NULL;
}

static PyObject *region_closed(Region *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->uses & CLOSED);
}

static PyObject *region_metadata(Region *self, void *unused) {
    (void)unused;
    ZincHandle handle = begin(self);
    if (!handle) return NULL;
    uintptr_t length;
    const char *metadata = zinc_region_metadata(handle, &length);
    return ended(self, PyBytes_FromStringAndSize(metadata, (Py_ssize_t)length));
}

/* ---- notification ---- */

PyDoc_STRVAR(notify_doc, "notify($self)\n--\n\n"
                         "Say that there is something new, wake who waits, and return the new sequence.\n\n"
                         "What was written before is seen by whoever returns from a wait because of this.\n"
                         "Raises PermissionError if this user may only read the region, ValueError if it is\n"
                         "closed.");

static PyObject *region_notify(Region *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = begin(self);
    if (!handle) return NULL;
    uint32_t sequence;
    int32_t status = zinc_region_notify(handle, &sequence);
    end(self);
    if (status < 0) {
        PyErr_Format(PyExc_PermissionError, "notify %R: this user may only read the region", self->name);
        return NULL;
    }
    return PyLong_FromUnsignedLong(sequence);
}

PyDoc_STRVAR(try_wait_doc,
             "try_wait($self)\n--\n\n"
             "True if there was a notification that this object had not seen, which is now seen.\n"
             "Never waits. Raises ValueError if the region is closed.");

static PyObject *region_try_wait(Region *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = begin(self);
    return handle ? ended(self, PyBool_FromLong(zinc_try_wait(handle) == 0)) : NULL;
}

/* Milliseconds from now, or None for ever, as a deadline for zinc_region_wait. */
static int convert_timeout(PyObject *timeout, uint64_t *deadline) {
    *deadline = ZINC_FOREVER;
    if (timeout == Py_None) return 1;
    double milliseconds = PyFloat_AsDouble(timeout);
    if (milliseconds == -1.0 && PyErr_Occurred()) return 0;
    if (!(milliseconds >= 0)) {
        PyErr_Format(PyExc_ValueError, "timeout_ms must be None or at least 0, not %R", timeout);
        return 0;
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double end = (double)now.tv_sec * 1e9 + (double)now.tv_nsec + milliseconds * 1e6;
    if (milliseconds == 0)
        *deadline = 0;
    else if (end < 9e18)
        *deadline = (uint64_t)end;
    return 1;
}

/* A sequence for wait's `after`, or false with an exception. */
static int convert_after(PyObject *number, uint32_t *after) {
    unsigned long value = PyLong_AsUnsignedLong(number);
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_OverflowError)) return 0;
    *after = (uint32_t)value;
    if (!PyErr_Occurred() && value <= UINT32_MAX) return 1;
    PyErr_Format(PyExc_ValueError, "after must be 0 to 2**32 - 1, not %R", number);
    return 0;
}

/* Puts wait's arguments, by position or name, into `values`; defaults are NULL. */
static int parse_wait(PyObject *const *args, Py_ssize_t count, PyObject *keywords, PyObject *values[2]) {
    static const char *const names[2] = {"timeout_ms", "after"};
    if (count > 2) {
        PyErr_Format(PyExc_TypeError, "wait() takes at most 2 arguments (%zd given)", count);
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) values[i] = args[i];
    Py_ssize_t named = keywords ? PyTuple_Size(keywords) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *keyword = PyTuple_GetItem(keywords, i);
        int which = PyUnicode_CompareWithASCIIString(keyword, names[0]) == 0   ? 0
                    : PyUnicode_CompareWithASCIIString(keyword, names[1]) == 0 ? 1
                                                                               : -1;
        if (which < 0 || values[which]) {
            PyErr_Format(PyExc_TypeError, "wait() got %s argument %R",
                         which < 0 ? "an unexpected" : "two values for the", keyword);
            return 0;
        }
        values[which] = args[count + i];
    }
    return 1;
}

PyDoc_STRVAR(wait_doc, "wait($self, timeout_ms=1000, after=None)\n--\n\n"
                       "Wait until there is a notification that this object has not seen, and see it.\n\n"
                       "True if there was one, False if none came within `timeout_ms` milliseconds (a\n"
                       "float, too; 0 only looks, None waits for ever). Several notifications may be seen\n"
                       "as one. With `after`, a number that notify() or `sequence` gave: wait until the\n"
                       "sequence is that no longer, and leave alone what this object has seen; so several\n"
                       "threads wait on one object, or two processes talk both ways over one region.\n\n"
                       "Other threads run meanwhile. Signal handlers run at once; the wait goes on after\n"
                       "one that returns. Raises ValueError for a timeout that is negative or no number,\n"
                       "an `after` outside 0 to 2**32 - 1, and if the region is closed, meanwhile too.");

static PyObject *region_wait(Region *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
    PyObject *values[2] = {NULL, NULL};
    if (!parse_wait(args, count, keywords, values)) return NULL;
    ZincWaitOptions options = {.size = sizeof options, .flags = ZINC_WAIT_INTERRUPTIBLE};
    if (values[1] && values[1] != Py_None) {
        if (!convert_after(values[1], &options.after)) return NULL;
        options.flags |= ZINC_WAIT_AFTER;
    }
    PyObject *thousand = NULL;
    if (!values[0]) values[0] = thousand = PyLong_FromLong(1000);
    int is_valid = values[0] && convert_timeout(values[0], &options.deadline_ns);
    Py_XDECREF(thousand);
    ZincHandle handle = is_valid ? begin(self) : NULL;
    if (!handle) return NULL;

    /* News that are there already cost no GIL, which might take long to come back. */
    uint64_t deadline = options.deadline_ns;
    options.deadline_ns = 0;
    int32_t status = zinc_region_wait(handle, &options);
    options.deadline_ns = deadline;
    if (deadline == 0 || status != -ETIMEDOUT) return ended(self, PyBool_FromLong(status == 0));
    int is_interrupted = 0;
    do {
        Py_BEGIN_ALLOW_THREADS status = zinc_region_wait(handle, &options);
        Py_END_ALLOW_THREADS if (status == -EINTR) is_interrupted = PyErr_CheckSignals() < 0;
    } while (status == -EINTR && !is_interrupted);
    end(self);
    if (is_interrupted) return NULL;
    if (status == -ECANCELED) {
        PyErr_Format(PyExc_ValueError, "region %R was closed during the wait", self->name);
        return NULL;
    }
    return PyBool_FromLong(status == 0);
}

static void end_all(ZincWaitItem *items, PyObject *regions, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) end((Region *)PyTuple_GetItem(regions, i));
    PyMem_Free(items);
}

/*
 * Begins a call on each region of a tuple: an item for each, with its number of the tuple
 * `after` unless that is empty. To be ended by end_all(). NULL with an exception.
 */
static ZincWaitItem *begin_all(PyObject *module, PyObject *regions, PyObject *after) {
    ModuleState *state = PyModule_GetState(module);
    Py_ssize_t count = PyTuple_Size(regions);
    Py_ssize_t numbers = PyTuple_Size(after);
    if (count == 0) {
        PyErr_SetString(PyExc_ValueError, "there is no region to wait for");
        return NULL;
    }
    ZincWaitItem *items = PyMem_Calloc((size_t)count, sizeof *items);
    if (!items) return (ZincWaitItem *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *region = PyTuple_GetItem(regions, i);
        if (!PyObject_TypeCheck(region, (PyTypeObject *)state->region_type))
            PyErr_Format(PyExc_TypeError, "a SharedRegion is needed, not %R", region);
        else if (i >= numbers || convert_after(PyTuple_GetItem(after, i), &items[i].after))
            items[i].handle = begin((Region *)region);
        if (!items[i].handle) {
            end_all(items, regions, i);
            return NULL;
        }
    }
    return items;
}

/* The regions of a tuple that have something new, or NULL with an exception. */
static PyObject *new_ones(PyObject *regions, const ZincWaitItem *items) {
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; result && i < PyTuple_Size(regions); i++)
        if (items[i].is_new && PyList_Append(result, PyTuple_GetItem(regions, i)) < 0) Py_CLEAR(result);
    return result;
}

static PyObject *wait_many(PyObject *module, PyObject *regions, PyObject *timeout, int for_all,
                           PyObject *after) {
    ZincWaitOptions options = {.size = sizeof options, .flags = ZINC_WAIT_INTERRUPTIBLE};
    if (PyTuple_Size(after) > 0) options.flags |= ZINC_WAIT_AFTER;
    if (!convert_timeout(timeout, &options.deadline_ns)) return NULL;
    ZincWaitItem *items = begin_all(module, regions, after);
    if (!items) return NULL;
    Py_ssize_t count = PyTuple_Size(regions);
    int32_t status;
    int is_interrupted = 0;
    do {
        Py_BEGIN_ALLOW_THREADS status = for_all ? zinc_wait_all(items, (uintptr_t)count, &options)
                                                : zinc_wait_any(items, (uintptr_t)count, &options);
        Py_END_ALLOW_THREADS if (status == -EINTR) is_interrupted = PyErr_CheckSignals() < 0;
    } while (status == -EINTR && !is_interrupted);
    PyObject *result = NULL;
    if (status == -ECANCELED)
        PyErr_SetString(PyExc_ValueError, "one of the regions was closed during the wait");
    else if (!is_interrupted)
        result = new_ones(regions, items);
    end_all(items, regions, count);
    return result;
}

PyObject *zinc_module_wait_many(PyObject *module, PyObject *args) {
    PyObject *sequence, *timeout, *after;
    int for_all;
    if (!PyArg_ParseTuple(args, "OOpO!:wait_many", &sequence, &timeout, &for_all, &PyTuple_Type, &after))
        return NULL;
    PyObject *regions = PySequence_Tuple(sequence);
    if (!regions) return NULL;
    PyObject *result = wait_many(module, regions, timeout, for_all, after);
    Py_DECREF(regions);
    return result;
}

static PyObject *region_sequence(Region *self, void *unused) {
    (void)unused;
    ZincHandle handle = begin(self);
    return handle ? ended(self, PyLong_FromUnsignedLong(zinc_region_sequence(handle))) : NULL;
}

static PyObject *region_seen(Region *self, void *unused) {
    (void)unused;
    ZincHandle handle = begin(self);
    return handle ? ended(self, PyLong_FromUnsignedLong(zinc_region_seen(handle))) : NULL;
}

/* ---- the type ---- */

static PyObject *region_repr(Region *self) {
    PyObject *name = self->name == Py_None ? PyUnicode_FromString("anonymous") : PyObject_Repr(self->name);
    if (!name) return NULL;
    PyObject *text;
    if (begin_if_open(self)) {
        text = PyUnicode_FromFormat("<zinc.SharedRegion %U, %zd bytes%s at %p, sequence %u>", name,
                                    self->capacity, self->is_readonly ? ", read-only," : "",
                                    zinc_ptr(self->handle), zinc_region_sequence(self->handle));
        end(self);
    } else {
        text = PyUnicode_FromFormat("<zinc.SharedRegion %U, %zd bytes, closed>", name, self->capacity);
    }
    Py_DECREF(name);
    return text;
}

static PyObject *region_refuse(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    (void)type, (void)args, (void)keywords;
    PyErr_SetString(PyExc_TypeError, "use SharedRegion.create(name, capacity) or SharedRegion.open(name)");
    return NULL;
}

static PyMethodDef region_methods[] = {
    {"close", (PyCFunction)region_close, METH_NOARGS, close_doc},
    {"fileno", (PyCFunction)region_fileno, METH_NOARGS, fileno_doc},
    {"as_buffer", (PyCFunction)region_as_buffer, METH_NOARGS, as_buffer_doc},
    {"notify", (PyCFunction)region_notify, METH_NOARGS, notify_doc},
    {"try_wait", (PyCFunction)region_try_wait, METH_NOARGS, try_wait_doc},
    {"wait", (PyCFunction)(void (*)(void))region_wait, METH_FASTCALL | METH_KEYWORDS, wait_doc},
    {"__enter__", (PyCFunction)region_enter, METH_NOARGS,
     "__enter__($self)\n--\n\nThe region itself. Raises ValueError if it is closed."},
    {"__exit__", (PyCFunction)region_exit, METH_VARARGS, "Close the region; see close()."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef region_members[] = {
    {"name", T_OBJECT_EX, offsetof(Region, name), READONLY,
     "The name it was created under (str); None for an anonymous region."},
    {"capacity", T_PYSSIZET, offsetof(Region, capacity), READONLY,
     "The size of the data in bytes, exactly as it was created (int)."},
    {"readonly", T_BOOL, offsetof(Region, is_readonly), READONLY,
     "True if the data can't be written through this object."},
    {"id", T_ULONGLONG, offsetof(Region, id), READONLY,
     "A random number (int), given at creation, that tells two regions of one name apart."},
    {"kind", T_UINT, offsetof(Region, kind), READONLY,
     "What the data is (int): 0 bytes, 1 an array, described by the metadata."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef region_properties[] = {
    {"address", (getter)region_address, NULL,
     "Where the data begins in this process (int), a multiple of the page size.", NULL},
    {"closed", (getter)region_closed, NULL, "True after close().", NULL},
    {"metadata", (getter)region_metadata, NULL,
     "The bytes that it was created with, to describe the data (at most 2048).", NULL},
    {"sequence", (getter)region_sequence, NULL, "The number of notifications so far, modulo 2**32 (int).",
     NULL},
    {"seen", (getter)region_seen, NULL,
     "The sequence that this object has seen last (int): what try_wait() and wait() compare with.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot region_slots[] = {
    {Py_tp_new, region_refuse},
    {Py_tp_dealloc, region_dealloc},
    {Py_tp_repr, region_repr},
    {Py_tp_methods, region_methods},
    {Py_tp_members, region_members},
    {Py_tp_getset, region_properties},
    {Py_mp_length, region_length},
    {Py_bf_getbuffer, region_getbuffer},
    {Py_tp_doc, (void *)"What zinc.SharedRegion is made of."},
    {0, NULL},
};

PyType_Spec zinc_region_spec = {
    .name = "zinc._zinc.SharedRegion",
    .basicsize = sizeof(Region),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = region_slots,
};
