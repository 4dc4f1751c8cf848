/* Lock: the locks of zinc.h for Python. Who holds one, and who has died, the core decides. */
#include "lock.h"

#include "channel.h"

#include <errno.h>
#include <pthread.h>

/* How often this process was forked on its way, plus one: a child holds nothing of its parent's. */
static unsigned era = 1;

static void begin_era(void) { era++; }

unsigned fork_era(void) { return era; }

int lock_watch_forks(void) {
    static atomic_flag is_watched = ATOMIC_FLAG_INIT; /* by another interpreter */
    return atomic_flag_test_and_set(&is_watched) ? 0 : pthread_atfork(NULL, NULL, begin_era);
}

PyObject *lock_title(Lock *self) {
    PyObject *name = self->region->name;
    if (self->offset != ZINC_OWN_LOCK)
        return PyUnicode_FromFormat("lock at byte %zu of region %R", (size_t)self->offset, name);
    return PyUnicode_FromFormat(self->owns_region ? "lock %R" : "lock of region %R", name);
}

/* Raises "lock 'name' …" with what follows the name. Returns NULL. */
static PyObject *complain(PyObject *type, Lock *self, const char *call, const char *why) {
    PyObject *which = lock_title(self);
    if (which) PyErr_Format(type, "%s%U%s", call, which, why);
    Py_XDECREF(which);
    return NULL;
}

ZincHandle lock_begin(Lock *self) {
    if (!self->is_closed && region_begin_if_open(self->region)) return self->region->handle;
    complain(PyExc_ValueError, self, "", " is closed");
    return NULL;
}

int lock_is_held(Lock *self) { return self->held == era; }

int lock_is_mine(Lock *self) {
    return lock_is_held(self) && (!self->is_reentrant || self->thread == PyThread_get_thread_ident());
}

const LockCalls lock_calls = {zinc_lock_acquire, NULL, zinc_lock_release, zinc_lock_abandon};
const LockCalls writer_calls = {zinc_rwlock_acquire_write, zinc_rwlock_wait_for_readers,
                                zinc_rwlock_release_write, zinc_rwlock_abandon_write};

/* ---- acquire ---- */

static void begin_hold(Lock *self) {
    if (self->is_reentrant) self->thread = PyThread_get_thread_ident();
    self->depth = 0;
    self->held = era;
}

void lock_give_up(Lock *self, ZincHandle handle) {
    if (!lock_is_held(self)) return;
    self->held = 0;
    (void)self->calls->abandon(handle, self->offset);
}

/* The lock is held, and its last holder has died with it. */
static int repair(Lock *self, ZincHandle handle) {
    PyObject *result = PyObject_CallFunctionObjArgs(self->repair, (PyObject *)self, NULL);
    if (!result) {
        lock_give_up(self, handle);
        return -1;
    }
    Py_DECREF(result);
    int32_t status = lock_is_held(self) ? zinc_lock_repaired(handle, self->offset) : -EPERM;
    if (status == 0) return 1;
    self->held = 0;
    complain(PyExc_RuntimeError, self, "repair ",
             ": the repair has released it, which is its caller's to do");
    return -1;
}

int lock_settle(Lock *self, ZincHandle handle, int32_t status, int *died) {
    if (status == -ETIMEDOUT) return 0;
    if (status < 0) {
        primitive_raise(self->region, self->offset, handle, status);
        return -1;
    }
    begin_hold(self);
    if (died) *died = status == ZINC_OWNER_DIED;
    return status == ZINC_OWNER_DIED && !died ? repair(self, handle) : 1;
}

void lock_decline(Lock *self, ZincHandle handle, int32_t status) {
    (void)(status == ZINC_OWNER_DIED ? self->calls->abandon : self->calls->release)(handle, self->offset);
}

/* What a writer that has the lock waits for, too. Returns `status`, or what ended the wait: it is not
 * held then. */
static int32_t wait_for_readers(Lock *self, ZincHandle handle, ZincWaitOptions *wait, int32_t status) {
    int32_t waited;
    do {
        Py_BEGIN_ALLOW_THREADS waited = self->calls->wait(handle, self->offset, wait);
        Py_END_ALLOW_THREADS if (waited == -EINTR && PyErr_CheckSignals() < 0) {
            lock_decline(self, handle, status);
            return -EINTR;
        }
    } while (waited == -EINTR);
    return waited < 0 ? waited : status;
}

int lock_take(Lock *self, ZincHandle handle, uint64_t deadline, int *died) {
    if (self->is_reentrant && lock_is_held(self) && self->thread == PyThread_get_thread_ident()) {
        self->depth++;
        return 1;
    }
    ZincWaitOptions wait = {.size = sizeof wait};
    if (died || self->repair != Py_None) wait.flags = ZINC_WAIT_RECOVER;
    /* One that is free costs no GIL, which might take long to come back. Who waits looks for a dead
     * holder after the first nap. */
    int32_t status = deadline != 0 && !self->calls->wait ? zinc_lock_try(handle, self->offset)
                                                         : self->calls->acquire(handle, self->offset, &wait);
    if ((status == -ETIMEDOUT || status == -EAGAIN) && deadline != 0) {
        wait.deadline_ns = deadline;
        wait.flags |= ZINC_WAIT_INTERRUPTIBLE;
        do {
            Py_BEGIN_ALLOW_THREADS status = zinc_lock_acquire(handle, self->offset, &wait);
            Py_END_ALLOW_THREADS if (status == -EINTR && PyErr_CheckSignals() < 0) return -1;
        } while (status == -EINTR);
        wait.flags &= ~(uint32_t)ZINC_WAIT_RECOVER;
        if (status >= 0 && self->calls->wait) status = wait_for_readers(self, handle, &wait, status);
        if (status == -EINTR) return -1;
    }
    return lock_settle(self, handle, status, died);
}

/* ---- release ---- */

/* Says who does hold it. Returns NULL. */
static PyObject *raise_not_held(Lock *self, ZincHandle handle) {
    ZincLockInfo info = {.size = sizeof info};
    int32_t status = zinc_lock_examine(handle, self->offset, &info);
    if (status < 0) return primitive_raise(self->region, self->offset, handle, status);
    PyObject *which = lock_title(self);
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
                     lock_is_held(self) ? "thread" : "object");
    else
        PyErr_Format(PyExc_RuntimeError, "release %U: this object does not hold it, process %d does", which,
                     (int)info.pid);
    Py_DECREF(which);
    return NULL;
}

PyObject *lock_give(Lock *self, int is_whole) {
    ZincHandle handle = lock_begin(self);
    if (!handle) return NULL;
    int is_ours = lock_is_mine(self);
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
                         : is_whole ? self->calls->release(handle, self->offset)
                                    : self->calls->abandon(handle, self->offset);
        if (status < 0) {
            raise_not_held(self, handle);
            region_end(self->region);
            return NULL;
        }
    }
    region_end(self->region);
    Py_RETURN_NONE;
}

int lock_look(Lock *self, ZincLockInfo *info) {
    ZincHandle handle = lock_begin(self);
    if (!handle) return -1;
    info->size = sizeof *info;
    int32_t status = zinc_lock_examine(handle, self->offset, info);
    if (status < 0) primitive_raise(self->region, self->offset, handle, status);
    region_end(self->region);
    return status;
}
