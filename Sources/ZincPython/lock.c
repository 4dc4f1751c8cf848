/* Lock: the locks of zinc.h for Python. Who holds one, and who has died, the core decides. */
#include "lock.h"

#include <errno.h>
#include <pthread.h>
#include <structmember.h>

/* How often this process was forked on its way, plus one: a child holds nothing of its parent's. */
static unsigned era = 1;

static void begin_era(void) { era++; }

int lock_watch_forks(void) {
    static atomic_flag is_watched = ATOMIC_FLAG_INIT; /* by another interpreter */
    return atomic_flag_test_and_set(&is_watched) ? 0 : pthread_atfork(NULL, NULL, begin_era);
}

static ModuleState *state_of(Lock *self) { return PyType_GetModuleState(self->region->export_type); }

/* "lock 'name'", for messages. */
static PyObject *title(Lock *self) {
    PyObject *name = self->region->name;
    if (self->offset != ZINC_OWN_LOCK)
        return PyUnicode_FromFormat("lock at byte %zu of region %R", (size_t)self->offset, name);
    return PyUnicode_FromFormat(self->owns_region ? "lock %R" : "lock of region %R", name);
}

/* Raises "lock 'name' …" with what follows the name. Returns NULL. */
static PyObject *complain(PyObject *type, Lock *self, const char *call, const char *why) {
    PyObject *which = title(self);
    if (which) PyErr_Format(type, "%s%U%s", call, which, why);
    Py_XDECREF(which);
    return NULL;
}

ZincHandle lock_begin(Lock *self) {
    if (!self->is_closed && region_begin_if_open(self->region)) return self->region->handle;
    complain(PyExc_ValueError, self, "", " is closed");
    return NULL;
}

static int is_held(Lock *self) { return self->held == era; }

/* ---- acquire ---- */

static PyObject *raise_owner_died(Lock *self, ZincHandle handle) {
    PyObject *type = state_of(self)->owner_died_error;
    PyObject *error = PyObject_CallFunction(type, "is", EOWNERDEAD, zinc_error_message());
    if (!error) return NULL;
    ZincLockInfo info = {.size = sizeof info};
    PyObject *pid = NULL, *since = NULL;
    /* Not if somebody has recovered it meanwhile: what it says is of that one, then. */
    if (zinc_lock_examine(handle, self->offset, &info) == 0 && info.state == ZINC_LOCK_ABANDONED) {
        pid = PyLong_FromLong(info.pid);
        since = PyFloat_FromDouble((double)info.since / 1e9);
        if (pid && since && PyObject_SetAttrString(error, "pid", pid) == 0)
            PyObject_SetAttrString(error, "since", since);
    }
    Py_XDECREF(pid);
    Py_XDECREF(since);
    if (!PyErr_Occurred()) PyErr_SetObject(type, error);
    Py_DECREF(error);
    return NULL;
}

static PyObject *raise_status(Lock *self, ZincHandle handle, int32_t status) {
    if (status == -EOWNERDEAD) return raise_owner_died(self, handle);
    if (status == -ECANCELED) return complain(PyExc_ValueError, self, "", " was closed during the wait");
    if (status != -EBADMSG) return zinc_raise(state_of(self), status);
    /* A region it is, so it is no NotARegionError. */
    PyObject *error = PyObject_CallFunction(PyExc_OSError, "is", EBADMSG, zinc_error_message());
    if (error) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    return NULL;
}

static void begin_hold(Lock *self) {
    if (self->is_reentrant) self->thread = PyThread_get_thread_ident();
    self->depth = 0;
    self->held = era;
}

/* Gives up what a repair did not mend, in the midst of its exception. */
static void give_up(Lock *self, ZincHandle handle) {
    if (!is_held(self)) return;
    self->held = 0;
    (void)zinc_lock_abandon(handle, self->offset);
}

/* The lock is held, and its last holder has died with it. */
static int repair(Lock *self, ZincHandle handle) {
    PyObject *result = PyObject_CallFunctionObjArgs(self->repair, (PyObject *)self, NULL);
    if (!result) {
        give_up(self, handle);
        return -1;
    }
    Py_DECREF(result);
    int32_t status = is_held(self) ? zinc_lock_repaired(handle, self->offset) : -EPERM;
    if (status == 0) return 1;
    self->held = 0;
    complain(PyExc_RuntimeError, self, "repair ",
             ": the repair has released it, which is its caller's to do");
    return -1;
}

/* What is left to do once the core has answered; as lock_take(). */
static int settle(Lock *self, ZincHandle handle, int32_t status, int *died) {
    if (status == -ETIMEDOUT) return 0;
    if (status < 0) {
        raise_status(self, handle, status);
        return -1;
    }
    begin_hold(self);
    if (died) *died = status == ZINC_OWNER_DIED;
    return status == ZINC_OWNER_DIED && !died ? repair(self, handle) : 1;
}

int lock_take(Lock *self, ZincHandle handle, uint64_t deadline, int *died) {
    if (self->is_reentrant && is_held(self) && self->thread == PyThread_get_thread_ident()) {
        self->depth++;
        return 1;
    }
    ZincWaitOptions wait = {.size = sizeof wait};
    if (died || self->repair != Py_None) wait.flags = ZINC_WAIT_RECOVER;
    /* One that is free costs no GIL, which might take long to come back. */
    int32_t status = zinc_lock_acquire(handle, self->offset, &wait);
    if (status == -ETIMEDOUT && deadline != 0) {
        wait.deadline_ns = deadline;
        wait.flags |= ZINC_WAIT_INTERRUPTIBLE;
        do {
            Py_BEGIN_ALLOW_THREADS status = zinc_lock_acquire(handle, self->offset, &wait);
            Py_END_ALLOW_THREADS if (status == -EINTR && PyErr_CheckSignals() < 0) return -1;
        } while (status == -EINTR);
    }
    return settle(self, handle, status, died);
}

enum { BLOCKING, TIMEOUT, TIMEOUT_MS, BLOCK, ARGUMENTS };

/* Puts acquire's arguments, by position or name, into `values`; what is not given stays NULL. */
static int parse(PyObject *const *args, Py_ssize_t count, PyObject *keywords, PyObject *values[ARGUMENTS]) {
    static const char *const names[ARGUMENTS] = {"blocking", "timeout", "timeout_ms", "block"};
    if (count > 2) {
        PyErr_Format(PyExc_TypeError, "acquire() takes at most 2 positional arguments (%zd given)", count);
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) values[i] = args[i];
    Py_ssize_t named = keywords ? PyTuple_Size(keywords) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *keyword = PyTuple_GetItem(keywords, i);
        int which = 0;
        while (which < ARGUMENTS && PyUnicode_CompareWithASCIIString(keyword, names[which]) != 0) which++;
        if (which == ARGUMENTS || values[which]) {
            PyErr_Format(PyExc_TypeError, "acquire() got %s argument %R",
                         which == ARGUMENTS ? "an unexpected" : "two values for the", keyword);
            return 0;
        }
        values[which] = args[count + i];
    }
    return 1;
}

/* threading's seconds, of which -1 is for ever, and so is None as multiprocessing has it. */
static int convert_seconds(PyObject *timeout, uint64_t *deadline) {
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) return 0;
    if (seconds == -1.0) return 1;
    if (!(seconds >= 0)) {
        PyErr_Format(PyExc_ValueError, "timeout must be -1 or None, for ever, or at least 0, not %R",
                     timeout);
        return 0;
    }
    PyObject *milliseconds = PyFloat_FromDouble(seconds * 1000);
    int is_valid = milliseconds && zinc_convert_timeout(milliseconds, deadline);
    Py_XDECREF(milliseconds);
    return is_valid;
}

static int convert_acquire(PyObject *values[ARGUMENTS], uint64_t *deadline) {
    PyObject *blocking = values[BLOCKING];
    if (values[BLOCK]) {
        if (blocking) {
            PyErr_SetString(PyExc_TypeError, "acquire() got blocking and block, which are one");
            return 0;
        }
        blocking = values[BLOCK];
    }
    int blocks = blocking ? PyObject_IsTrue(blocking) : 1;
    if (blocks < 0) return 0;
    PyObject *timeout = values[TIMEOUT] == Py_None ? NULL : values[TIMEOUT];
    PyObject *timeout_ms = values[TIMEOUT_MS] == Py_None ? NULL : values[TIMEOUT_MS];
    *deadline = ZINC_FOREVER;
    if (timeout && !convert_seconds(timeout, deadline)) return 0;
    if (timeout_ms && *deadline != ZINC_FOREVER) {
        PyErr_SetString(PyExc_ValueError, "timeout, in seconds, or timeout_ms: give one of them");
        return 0;
    }
    if (timeout_ms && !zinc_convert_timeout(timeout_ms, deadline)) return 0;
    if (blocks) return 1;
    if (timeout_ms || *deadline != ZINC_FOREVER) {
        PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
        return 0;
    }
    *deadline = 0;
    return 1;
}

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
    uint64_t deadline = ZINC_FOREVER;
    if (count || keywords) {
        PyObject *values[ARGUMENTS] = {NULL, NULL, NULL, NULL};
        if (!parse(args, count, keywords, values) || !convert_acquire(values, &deadline)) return NULL;
    }
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

static PyObject *lock_acquire_queued(Lock *self, PyObject *timeout) {
    ZincWaitOptions wait = {.size = sizeof wait};
    if (self->repair != Py_None) wait.flags = ZINC_WAIT_RECOVER;
    ZincHandle handle = zinc_convert_timeout(timeout, &wait.deadline_ns) ? lock_begin(self) : NULL;
    if (!handle) return NULL;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_lock_acquire(handle, self->offset, &wait);
    if (status >= 0 && atomic_load(&self->queued) == 0) {
        (void)(status == ZINC_OWNER_DIED ? zinc_lock_abandon : zinc_lock_release)(handle, self->offset);
        status = -ETIMEDOUT;
    }
    Py_END_ALLOW_THREADS int is_taken = settle(self, handle, status, NULL);
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

/* ---- release ---- */

/* Says who does hold it. Returns NULL. */
static PyObject *raise_not_held(Lock *self, ZincHandle handle) {
    ZincLockInfo info = {.size = sizeof info};
    int32_t status = zinc_lock_examine(handle, self->offset, &info);
    if (status < 0) return raise_status(self, handle, status);
    PyObject *which = title(self);
    if (!which) return NULL;
    if (info.state == ZINC_LOCK_FREE)
        PyErr_Format(PyExc_RuntimeError, "release %U: nobody holds it", which);
    else if (info.state == ZINC_LOCK_ABANDONED)
        PyErr_Format(PyExc_RuntimeError, "release %U: its holder, process %d, died with it", which,
                     (int)info.pid);
    else if (info.state == ZINC_LOCK_DAMAGED)
        PyErr_Format(PyExc_RuntimeError, "release %U: something else wrote where the lock is", which);
    else if (info.is_mine)
        PyErr_Format(PyExc_RuntimeError, "release %U: another %s of this process holds it", which,
                     is_held(self) ? "thread" : "object");
    else
        PyErr_Format(PyExc_RuntimeError, "release %U: this object does not hold it, process %d does", which,
                     (int)info.pid);
    Py_DECREF(which);
    return NULL;
}

PyObject *lock_give(Lock *self, int is_whole) {
    ZincHandle handle = lock_begin(self);
    if (!handle) return NULL;
    int is_ours = is_held(self) && (!self->is_reentrant || self->thread == PyThread_get_thread_ident());
    if (is_ours && self->depth) {
        self->depth--;
    } else {
        /* Before it is free: whoever gets it next through this object says so itself. */
#ifdef Py_GIL_DISABLED
        unsigned held = era;
        is_ours = is_ours && atomic_compare_exchange_strong(&self->held, &held, 0);
#else
        if (is_ours) self->held = 0;
#endif
        int32_t status = !is_ours   ? -EPERM
                         : is_whole ? zinc_lock_release(handle, self->offset)
                                    : zinc_lock_abandon(handle, self->offset);
        if (status < 0) {
            raise_not_held(self, handle);
            region_end(self->region);
            return NULL;
        }
    }
    region_end(self->region);
    Py_RETURN_NONE;
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

/* ---- what it is ---- */

static int look(Lock *self, ZincLockInfo *info) {
    ZincHandle handle = lock_begin(self);
    if (!handle) return -1;
    info->size = sizeof *info;
    int32_t status = zinc_lock_examine(handle, self->offset, info);
    if (status < 0) raise_status(self, handle, status);
    region_end(self->region);
    return status;
}

PyDoc_STRVAR(locked_doc,
             "locked($self)\n--\n\n"
             "True if somebody has the lock, or died with it and nobody has recovered it yet. Raises\n"
             "ValueError if it is closed.");

static PyObject *lock_locked(Lock *self, PyObject *unused) {
    (void)unused;
    ZincLockInfo info;
    return look(self, &info) < 0 ? NULL : PyBool_FromLong(info.state != ZINC_LOCK_FREE);
}

PyDoc_STRVAR(look_doc, "_look($self)\n--\n\n"
                       "The state, of ZINC_LOCK_FREE to ZINC_LOCK_DAMAGED, and the holder's pid, since when\n"
                       "in ns, and whether that is this object's handle.");

static PyObject *lock_look(Lock *self, PyObject *unused) {
    (void)unused;
    ZincLockInfo info;
    if (look(self, &info) < 0) return NULL;
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
    give_up(self, handle);
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
    PyObject *which = title(self);
    if (!which) return NULL;
    PyObject *text;
    if (look(self, &info) < 0) {
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
    /* Only those of this extension have the module's state at their base's. */
    PyTypeObject *base = type;
    while (base && !PyType_GetModule(base)) {
        PyErr_Clear();
        base = PyType_GetSlot(base, Py_tp_base);
    }
    ModuleState *state = base ? PyType_GetModuleState(base) : NULL;
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
    /* An offset that can't be is better told here than at the first use. */
    ZincLockInfo info;
    if (look(self, &info) < 0) Py_CLEAR(self);
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
    if (self->region && is_held(self) && region_begin_if_open(self->region)) {
        give_up(self, self->region->handle);
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
    {"_look", (PyCFunction)lock_look, METH_NOARGS, look_doc},
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
