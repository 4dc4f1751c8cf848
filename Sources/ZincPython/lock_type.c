/* Lock's type, which is that of a writer's lock, too. */
#include "lock.h"

#include <errno.h>
#include <structmember.h>

PyDoc_STRVAR(acquire_doc,
             "acquire($self, blocking=True, timeout=-1, *, timeout_ms=None, block=True)\n--\n\n"
             "Acquire the lock, and say whether that worked: False if it was still held by then.\n\n"
             "Waits for ever, unless `timeout`, in seconds, or `timeout_ms`, in milliseconds, says\n"
             "otherwise; -1 and None are for ever. Not at all if `blocking` is false, which\n"
             "multiprocessing calls `block`. Other threads run meanwhile, and signal handlers, too:\n"
             "what one raises ends the wait, and the lock is not held.\n\n"
             "If its last holder died with it, `repair` is called with this lock, which is held, and\n"
             "what it raises comes out of here: then the lock is not held, and the next one is told\n"
             "again. Without a `repair` that is an OwnerDiedError, for everybody, until one has\n"
             "ended a `with lock.recover():` well.\n\n"
             "A lock that this object has already is waited for as well, by whichever thread, unless\n"
             "it is `reentrant`. Raises ValueError for times that can't be, and if it is closed,\n"
             "meanwhile too; PermissionError where this user may only read; OSError (EUSERS) if the\n"
             "region has 120 users of locks, and (EBADMSG) if something else wrote where the lock is.");

static PyObject *lock_acquire(Lock *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
    uint64_t deadline;
    if (!acquire_deadline(args, count, keywords, 1, &deadline)) return NULL;
    ZincHandle handle = lock_begin(self);
    if (!handle) return NULL;
    int is_taken = lock_take(self, handle, deadline, NULL);
    region_end(self->region);
    return is_taken < 0 ? NULL : PyBool_FromLong(is_taken);
}

PyDoc_STRVAR(queue_doc,
             "_queue($self, change, /)\n--\n\nCount the coroutines that wait; see _acquire_queued().");

static PyObject *lock_queue(Lock *self, PyObject *change) {
    long by = PyLong_AsLong(change);
    if (by == -1 && PyErr_Occurred()) return NULL;
    atomic_fetch_add(&self->queued, (int)by);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(acquire_queued_doc,
             "_acquire_queued($self, timeout_ms, /)\n--\n\n"
             "acquire(timeout_ms=…) for the coroutines that wait. When none does any more it gives the\n"
             "lock back at once, and does not wait for the GIL with it.");

/* As long as a coroutine waits, a writer that has the lock waits for readers. Without the GIL. */
static int32_t wait_as_queued(Lock *self, ZincHandle handle, int32_t status) {
    ZincWaitOptions nap = {.size = sizeof nap, .deadline_ns = ZINC_FOREVER, .flags = ZINC_WAIT_INTERRUPTIBLE};
    int32_t waited;
    do waited = self->calls->wait(handle, self->offset, &nap);
    while (waited == -EINTR && atomic_load(&self->queued) != 0);
    if (waited != -EINTR) return waited < 0 ? waited : status;
    lock_decline(self, handle, status);
    return -ETIMEDOUT;
}

static PyObject *lock_acquire_queued(Lock *self, PyObject *timeout) {
    ZincWaitOptions wait = {.size = sizeof wait};
    if (self->repair != Py_None) wait.flags = ZINC_WAIT_RECOVER;
    ZincHandle handle = zinc_convert_timeout(timeout, &wait.deadline_ns) ? lock_begin(self) : NULL;
    if (!handle) return NULL;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_lock_acquire(handle, self->offset, &wait);
    if (status >= 0 && self->calls->wait) status = wait_as_queued(self, handle, status);
    if (status >= 0 && atomic_load(&self->queued) == 0) {
        lock_decline(self, handle, status);
        status = -ETIMEDOUT;
    }
    Py_END_ALLOW_THREADS int is_taken = lock_settle(self, handle, status, NULL);
    region_end(self->region);
    return is_taken < 0 ? NULL : PyBool_FromLong(is_taken);
}

static PyObject *lock_enter(Lock *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = lock_begin(self);
    if (!handle) return NULL;
    int is_taken = lock_take(self, handle, ZINC_FOREVER, NULL);
    region_end(self->region);
    return is_taken < 0 ? NULL : PyBool_FromLong(is_taken);
}

PyDoc_STRVAR(release_doc,
             "release($self)\n--\n\n"
             "Release the lock, whichever thread or task acquired it through this object; of a\n"
             "`reentrant` one only the thread that has it, and it is free after as many releases as\n"
             "it was acquired. Raises RuntimeError, which says who holds it, if this object does\n"
             "not; ValueError if it is closed.");

static PyObject *lock_release(Lock *self, PyObject *unused) {
    (void)unused;
    return lock_give(self, 1);
}

static PyObject *lock_exit(Lock *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    return lock_give(self, 1);
}

PyDoc_STRVAR(locked_doc,
             "locked($self)\n--\n\n"
             "True if somebody has the lock, or died with it and nobody has recovered it yet. Raises\n"
             "ValueError if it is closed.");

static PyObject *lock_locked(Lock *self, PyObject *unused) {
    (void)unused;
    ZincLockInfo info;
    return lock_look(self, &info) < 0 ? NULL : PyBool_FromLong(info.state != ZINC_LOCK_FREE);
}

PyDoc_STRVAR(look_doc, "_look($self)\n--\n\n"
                       "The state, of ZINC_LOCK_FREE to ZINC_LOCK_DAMAGED, and the holder's pid, since when\n"
                       "in ns, and whether that is this object's handle.");

static PyObject *lock_tell(Lock *self, PyObject *unused) {
    (void)unused;
    ZincLockInfo info;
    if (lock_look(self, &info) < 0) return NULL;
    return Py_BuildValue("IiKi", info.state, (int)info.pid, (unsigned long long)info.since,
                         (int)info.is_mine);
}

PyDoc_STRVAR(close_doc,
             "close($self)\n--\n\n"
             "Be done with the lock. Never raises; a second time does nothing.\n\n"
             "One that was opened by its name goes with its last user; the region of a lock within\n"
             "one stays open. A lock that this object holds is left as by one that dies with it: the\n"
             "next one is told. Waits of other threads for a lock with a name end with ValueError.");

static PyObject *lock_close(Lock *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = self->is_closed ? NULL : lock_begin(self);
    if (!handle) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    lock_give_up(self, handle);
    self->is_closed = 1;
    region_end(self->region);
    if (!self->owns_region) Py_RETURN_NONE;
    return PyObject_CallMethod((PyObject *)self->region, "close", NULL);
}

static PyObject *lock_closed(Lock *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->is_closed || self->region->uses & CLOSED);
}

static PyObject *lock_name(Lock *self, void *unused) {
    (void)unused;
    return Py_NewRef(self->region->name);
}

static PyObject *lock_offset(Lock *self, void *unused) {
    (void)unused;
    if (self->offset == ZINC_OWN_LOCK) Py_RETURN_NONE;
    return PyLong_FromSize_t(self->offset);
}

static PyObject *lock_repr(Lock *self) {
    ZincLockInfo info;
    PyObject *which = lock_title(self);
    if (!which) return NULL;
    PyObject *text;
    if (lock_look(self, &info) < 0) {
        PyErr_Clear();
        text = PyUnicode_FromFormat("<zinc.Lock: %U, closed>", which);
    } else if (info.state == ZINC_LOCK_FREE) {
        text = PyUnicode_FromFormat("<zinc.Lock: %U, free>", which);
    } else if (info.state == ZINC_LOCK_DAMAGED) {
        text = PyUnicode_FromFormat("<zinc.Lock: %U, damaged>", which);
    } else {
        const char *how = info.state == ZINC_LOCK_ABANDONED   ? "abandoned by"
                          : info.state == ZINC_LOCK_REPAIRING ? "under repair by"
                                                              : "held by";
        text = PyUnicode_FromFormat("<zinc.Lock: %U, %s process %d>", which, how, (int)info.pid);
    }
    Py_DECREF(which);
    return text;
}

/* ---- the type ---- */

static PyObject *lock_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *region, *offset, *mend;
    int is_reentrant, owns_region;
    if (keywords && PyDict_Size(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "use zinc.Lock(name) or region.lock(offset)");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OOOpp:Lock", &region, &offset, &mend, &is_reentrant, &owns_region))
        return NULL;
    ModuleState *state = module_state_of(type);
    if (!state || !PyObject_TypeCheck(region, (PyTypeObject *)state->region_type))
        return PyErr_Format(PyExc_TypeError, "a SharedRegion is needed, not %R", region);
    if (mend != Py_None && !PyCallable_Check(mend))
        return PyErr_Format(PyExc_TypeError, "repair is None or is called with the lock, not %R", mend);
    uintptr_t where = ZINC_OWN_LOCK;
    if (offset != Py_None && !zinc_convert_size(offset, &where)) return NULL;
    if (offset != Py_None && where == ZINC_OWN_LOCK) where--;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Lock *self = (Lock *)allocate(type, 0);
    if (!self) return NULL;
    self->region = (Region *)Py_NewRef(region);
    self->repair = Py_NewRef(mend);
    self->offset = where;
    self->is_reentrant = (char)is_reentrant;
    self->owns_region = (char)owns_region;
    self->calls = self->region->kind == ZINC_RWLOCK && where == ZINC_OWN_LOCK ? &writer_calls : &lock_calls;
    /* An offset that can't be is better told here than at the first use. */
    ZincLockInfo info;
    if (lock_look(self, &info) < 0) Py_CLEAR(self);
    return (PyObject *)self;
}

static int lock_traverse(Lock *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT((PyObject *)self->region);
    Py_VISIT(self->repair);
    return 0;
}

static int lock_clear(Lock *self) {
    /* The region stays: whoever finds this object later may ask. It leads nowhere back. */
    PyObject *none = Py_NewRef(Py_None);
    PyObject *old = self->repair;
    self->repair = none;
    Py_XDECREF(old);
    return 0;
}

static void lock_dealloc(Lock *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    /* Nobody could release it any more: it is left as by one that died. */
    if (self->region && lock_is_held(self) && region_begin_if_open(self->region)) {
        lock_give_up(self, self->region->handle);
        region_end(self->region);
    }
    Py_XDECREF((PyObject *)self->region);
    Py_XDECREF(self->repair);
    freefunc deallocate = (freefunc)PyType_GetSlot(type, Py_tp_free);
    deallocate(self);
    Py_DECREF(type);
}

static PyMethodDef lock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))lock_acquire, METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"_queue", (PyCFunction)lock_queue, METH_O, queue_doc},
    {"_acquire_queued", (PyCFunction)lock_acquire_queued, METH_O, acquire_queued_doc},
    {"release", (PyCFunction)lock_release, METH_NOARGS, release_doc},
    {"locked", (PyCFunction)lock_locked, METH_NOARGS, locked_doc},
    {"recover", (PyCFunction)(void (*)(void))lock_recover, METH_FASTCALL | METH_KEYWORDS, lock_recover_doc},
    {"_look", (PyCFunction)lock_tell, METH_NOARGS, look_doc},
    {"close", (PyCFunction)lock_close, METH_NOARGS, close_doc},
    {"__enter__", (PyCFunction)lock_enter, METH_NOARGS,
     "__enter__($self)\n--\n\nAcquire the lock, by acquire(), which raises what this raises; True."},
    {"__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL, "Release the lock, by release()."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef lock_members[] = {
    {"region", T_OBJECT_EX, offsetof(Lock, region), READONLY, "The region that the lock is in."},
    {"repair", T_OBJECT_EX, offsetof(Lock, repair), READONLY,
     "What is called with the lock when its last holder has died with it, or None."},
    {"reentrant", T_BOOL, offsetof(Lock, is_reentrant), READONLY,
     "True if the thread that has it may acquire it again."},
    {"_owns_region", T_BOOL, offsetof(Lock, owns_region), READONLY,
     "True if close() closes the region, too."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef lock_properties[] = {
    {"closed", (getter)lock_closed, NULL, "True after close(), and once its region is closed.", NULL},
    {"name", (getter)lock_name, NULL, "The name (str) of the lock's region; None for an anonymous one.",
     NULL},
    {"offset", (getter)lock_offset, NULL,
     "Where in the region's data the lock is (int); None for the region's own.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot lock_slots[] = {
    {Py_tp_new, lock_new},
    {Py_tp_dealloc, lock_dealloc},
    {Py_tp_traverse, lock_traverse},
    {Py_tp_clear, lock_clear},
    {Py_tp_repr, lock_repr},
    {Py_tp_methods, lock_methods},
    {Py_tp_members, lock_members},
    {Py_tp_getset, lock_properties},
    {Py_tp_doc, (void *)"What zinc.Lock is made of."},
    {0, NULL},
};

PyType_Spec zinc_lock_spec = {
    .name = "zinc._zinc.Lock",
    .basicsize = sizeof(Lock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = lock_slots,
};
