/*
 * SharedRegion: zinc.h for Python. Arguments, the GIL and exceptions are here;
 * what happens is decided by the core.
 */
#include "region.h"

#include <structmember.h>

/* It may take long: a second for some gigabytes. Others run meanwhile. */
void region_free(Region *self) {
    ZincHandle handle = EXCHANGE(self->handle, NULL);
    if (!handle) return;
    Py_BEGIN_ALLOW_THREADS zinc_close(handle);
    Py_END_ALLOW_THREADS
}

void region_detach(Region *self) {
    if (!region_begin_if_open(self)) return;
    self->uses |= CLOSED;
    /* Once nobody is attached the memory may get another object, whoever has views of this one. */
    int is_object = self->kind == OBJECT_KIND;
    Py_BEGIN_ALLOW_THREADS is_object ? zinc_region_stop(self->handle) : zinc_region_detach(self->handle);
    Py_END_ALLOW_THREADS region_end(self);
}

static void region_dealloc(Region *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    freefunc deallocate = (freefunc)PyType_GetSlot(type, Py_tp_free);
    /* Nobody else has a reference: no calls, no exports. Detaches if that was not done. */
    region_free(self);
    if (self->spare_export) PyObject_GC_Del(self->spare_export);
    Py_XDECREF((PyObject *)self->export_type);
    Py_XDECREF(self->name);
    deallocate(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(close_doc, "close($self)\n--\n\n"
                        "Detach from the region. Never raises; a second time does nothing.\n\n"
                        "The last one out takes the name and the memory along. Arrays and memoryviews that\n"
                        "were taken stay valid: the memory is unmapped when the last of them goes, or with\n"
                        "this object if it was itself handed to something that takes a buffer (readinto,\n"
                        "numpy.ndarray(buffer=region)) and not as a memoryview. Waits of other threads on\n"
                        "this object end with ValueError.");

static PyObject *region_close(Region *self, PyObject *unused) {
    (void)unused;
    region_detach(self);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(unlink_doc,
             "unlink($self)\n--\n\n"
             "Remove the region's name now; who is attached goes on, this object too.\n\n"
             "That is one notification: waits return, and `linked` is False then.\n\n"
             "Only this region's own name: raises FileNotFoundError if there is none or it is\n"
             "another region's by now. Raises ValueError for a region without a name and if it is\n"
             "closed, PermissionError and other OSErrors as the system says. zinc.unlink(name)\n"
             "does it for whatever region has a name, and needs no object.");

static PyObject *region_unlink(Region *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_region_remove(handle);
    Py_END_ALLOW_THREADS region_end(self);
    if (status < 0) return zinc_raise(PyType_GetModuleState(self->export_type), status);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(keep_doc,
             "keep($self, seconds, /)\n--\n\n"
             "Let the region outlive its last user: it stays until so many seconds from now.\n\n"
             "For a service that restarts, or to hand over a name and end. Seconds are a number from\n"
             "0; time counts while the machine sleeps. Of several calls, of any process, the one that\n"
             "lasts longest counts; give_back() takes one back, unlink() all. Raises ValueError for a\n"
             "region without a name, for seconds that can't be, and if it is closed, PermissionError\n"
             "where this user may only read.");

static PyObject *region_keep(Region *self, PyObject *seconds) {
    double wanted = PyFloat_AsDouble(seconds);
    if (wanted == -1 && PyErr_Occurred()) return NULL;
    if (!(wanted >= 0)) {
        PyErr_Format(PyExc_ValueError, "keep %R: seconds are a number from 0, not %R", self->name, seconds);
        return NULL;
    }
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    uint64_t lease = wanted < 1e10 ? (uint64_t)(wanted * 1e9) : UINT64_MAX; /* for ever */
    int32_t status = zinc_region_keep(handle, lease);
    region_end(self);
    if (status < 0) return zinc_raise(PyType_GetModuleState(self->export_type), status);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(give_back_doc,
             "give_back($self)\n--\n\n"
             "Take back one keep(), whoever asked for it: what loads a reference does it. No effect if\n"
             "there is none. With the last one the region ends with its last user again. Raises what\n"
             "keep() raises.");

static PyObject *region_give_back(Region *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    int32_t status = zinc_region_give_back(handle);
    region_end(self);
    if (status < 0) return zinc_raise(PyType_GetModuleState(self->export_type), status);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(descriptor_doc,
             "descriptor($self)\n--\n\n"
             "The descriptor (int) of an anonymous region, to send over a Unix socket or to pass\n"
             "to a child; it stays the region's and is closed with it. Raises ValueError for a\n"
             "region with a name, and if the region is closed; OSError (EBADF) if other code of\n"
             "this process has closed the descriptor. There is no fileno(): this descriptor leads to\n"
             "memory, which what polls takes for ready always; wait_async() is for event loops.");

static PyObject *region_descriptor(Region *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    int32_t descriptor = zinc_region_descriptor(handle);
    region_end(self);
    if (descriptor >= 0) return PyLong_FromLong(descriptor);
    if (self->name == Py_None) return zinc_raise(PyType_GetModuleState(self->export_type), descriptor);
    PyErr_Format(PyExc_ValueError, "region %R has a name to open it by, and no descriptor", self->name);
    return NULL;
}

PyDoc_STRVAR(descriptors_doc,
             "descriptors($self)\n--\n\n"
             "The descriptors (list of int) that this object keeps open, for code that closes all\n"
             "others, as what becomes a daemon does: DaemonContext(files_preserve=…). They stay the\n"
             "region's: a region with a name is in use as long as they are open, and who uses a lock,\n"
             "which takes a second one, is alive. Raises ValueError if the region is closed, OSError (EBADF) "
             "if they were closed by other code already.");

static PyObject *region_descriptors(Region *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    int32_t descriptor = zinc_region_held_descriptor(handle);
    int32_t seat = zinc_seat_descriptor(handle);
    region_end(self);
    if (descriptor < 0) return zinc_raise(PyType_GetModuleState(self->export_type), descriptor);
    return seat < 0 ? Py_BuildValue("[i]", (int)descriptor)
                    : Py_BuildValue("[ii]", (int)descriptor, (int)seat);
}

static PyObject *region_enter(Region *self, PyObject *unused) {
    (void)unused;
    return region_begin(self) ? region_ended(self, Py_NewRef((PyObject *)self)) : NULL;
}

static PyObject *region_exit(Region *self, PyObject *args) {
    (void)args;
    /* That of a subclass, where it has one. */
    PyObject *result = PyObject_CallMethod((PyObject *)self, "close", NULL);
    if (!result) return NULL;
    Py_DECREF(result);
    Py_RETURN_NONE;
}

/* ---- bytes ---- */

/*
 * Some give the buffer back at once and keep the object alone, since that was the way before
 * there were views: numpy.ndarray(buffer=region), torch.frombuffer, and whoever uses Python's
 * old buffer functions. Their requests look like those of file.readinto(region), which keeps
 * nothing. So the object keeps the memory to its own end after any but memoryview's.
 */
static int region_getbuffer(Region *self, Py_buffer *view, int flags) {
    view->obj = NULL;
    ZincHandle handle = region_begin(self);
    if (!handle) return -1;
    if (flags == PyBUF_FULL_RO) return region_export(self, view);
    int status =
        PyBuffer_FillInfo(view, (PyObject *)self, zinc_ptr(handle), self->capacity, self->is_readonly, flags);
    if (status == 0) self->keeps = 1;
    region_end(self);
    return status;
}

/* An export ends by itself. But numpy.frombuffer takes a view of those alone that have this. */
static void region_releasebuffer(Region *self, Py_buffer *view) { (void)self, (void)view; }

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
    ZincHandle handle = region_begin(self);
    return handle ? region_ended(self, PyLong_FromVoidPtr(zinc_ptr(handle))) : NULL;
}

static PyObject *region_closed(Region *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->uses & CLOSED);
}

static PyObject *region_linked(Region *self, void *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    return handle ? region_ended(self, PyBool_FromLong(zinc_region_is_linked(handle))) : NULL;
}

static PyObject *region_metadata(Region *self, void *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    uintptr_t length;
    const char *metadata = zinc_region_metadata(handle, &length);
    return region_ended(self, PyBytes_FromStringAndSize(metadata, (Py_ssize_t)length));
}

/* ---- the type ---- */

static PyObject *region_repr(Region *self) {
    PyObject *name = self->name == Py_None ? PyUnicode_FromString("anonymous") : PyObject_Repr(self->name);
    if (!name) return NULL;
    PyObject *text;
    if (region_begin_if_open(self)) {
        text = PyUnicode_FromFormat("<zinc.SharedRegion %U, %zd bytes%s at %p, sequence %u>", name,
                                    self->capacity, self->is_readonly ? ", read-only," : "",
                                    zinc_ptr(self->handle), zinc_region_sequence(self->handle));
        region_end(self);
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
    {"unlink", (PyCFunction)region_unlink, METH_NOARGS, unlink_doc},
    {"keep", (PyCFunction)region_keep, METH_O, keep_doc},
    {"give_back", (PyCFunction)region_give_back, METH_NOARGS, give_back_doc},
    {"descriptor", (PyCFunction)region_descriptor, METH_NOARGS, descriptor_doc},
    {"descriptors", (PyCFunction)region_descriptors, METH_NOARGS, descriptors_doc},
    {"trim", (PyCFunction)(void (*)(void))region_trim, METH_VARARGS | METH_KEYWORDS, region_trim_doc},
    {"as_buffer", (PyCFunction)region_as_buffer, METH_NOARGS, as_buffer_doc},
    {"notify", (PyCFunction)region_notify, METH_NOARGS, region_notify_doc},
    {"try_wait", (PyCFunction)region_try_wait, METH_NOARGS, region_try_wait_doc},
    {"wait", (PyCFunction)(void (*)(void))region_wait, METH_FASTCALL | METH_KEYWORDS, region_wait_doc},
    {"event_fd", (PyCFunction)region_event_fd, METH_NOARGS, region_event_fd_doc},
    {"__enter__", (PyCFunction)region_enter, METH_NOARGS,
     "__enter__($self)\n--\n\nThe region itself. Raises ValueError if it is closed."},
    {"__exit__", (PyCFunction)region_exit, METH_VARARGS, "Close the region, by close()."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef region_members[] = {
    {"name", T_OBJECT_EX, offsetof(Region, name), READONLY,
     "The name it was created under (str); None for an anonymous region."},
    {"capacity", T_PYSSIZET, offsetof(Region, capacity), READONLY,
     "The size of the data in bytes, exactly as it was created (int)."},
    {"readonly", T_BOOL, offsetof(Region, is_readonly), READONLY,
     "True if the data can't be written through this object."},
    {"created", T_BOOL, offsetof(Region, is_created), READONLY,
     "True if the call that this object is from created the region, False if it found it there:\n"
     "what open_or_create() did. Never changes; a copy that was unpickled has False."},
    {"id", T_ULONGLONG, offsetof(Region, id), READONLY,
     "A random number (int), given at creation, that tells two regions of one name apart."},
    {"kind", T_UINT, offsetof(Region, kind), READONLY,
     "What the data is (int): 0 bytes, 1 an array, described by the metadata."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef region_properties[] = {
    {"alone", (getter)region_alone, NULL,
     "True if nobody else is attached: no other object, of this process or another, and no forked\n"
     "child, however they ended. Raises ValueError for an anonymous region, of whose users there is\n"
     "no record, and if it is closed; OSError as the system says.",
     NULL},
    {"address", (getter)region_address, NULL,
     "Where the data begins in this process (int), a multiple of the page size.", NULL},
    {"closed", (getter)region_closed, NULL, "True after close().", NULL},
    {"linked", (getter)region_linked, NULL,
     "True if the name still leads to this region, so that who opens it comes here; False once\n"
     "it was unlinked, whoever has the name now, and for a region without one. A system call,\n"
     "which takes a microsecond. Raises ValueError if the region is closed.",
     NULL},
    {"used", (getter)region_used, NULL,
     "How many bytes of memory the region really has (int), its header page among them: with\n"
     "reserve=False the pages that were touched. Raises ValueError if the region is closed, OSError\n"
     "(EBADF) if other code has closed its descriptor.",
     NULL},
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
    {Py_bf_releasebuffer, region_releasebuffer},
    {Py_tp_doc, (void *)"What zinc.SharedRegion is made of."},
    {0, NULL},
};

PyType_Spec zinc_region_spec = {
    .name = "zinc._zinc.SharedRegion",
    .basicsize = sizeof(Region),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = region_slots,
};
