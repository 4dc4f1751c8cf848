/* Notification: saying that there is something new, and waiting for it. */
#include "region.h"

#include <errno.h>

const char region_notify_doc[] =
    PyDoc_STR("notify($self)\n--\n\n"
              "Say that there is something new, wake who waits, and return the new sequence.\n\n"
              "What was written before is seen by whoever returns from a wait because of this.\n"
              "Raises PermissionError if this user may only read the region, ValueError if it is\n"
              "closed.");

PyObject *region_notify(Region *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    uint32_t sequence;
    int32_t status = zinc_region_notify(handle, &sequence);
    region_end(self);
    if (status < 0) {
        PyObject *text = PyUnicode_FromFormat("notify %R: this user may only read the region", self->name);
        PyObject *error =
            text ? PyObject_CallFunction(PyExc_PermissionError, "iN", (int)-status, text) : NULL;
        if (error) PyErr_SetObject(PyExc_PermissionError, error);
        Py_XDECREF(error);
        return NULL;
    }
    return PyLong_FromUnsignedLong(sequence);
}

const char region_try_wait_doc[] =
    PyDoc_STR("try_wait($self)\n--\n\n"
              "True if there was a notification that this object had not seen, which is now seen.\n"
              "Never waits. Raises ValueError if the region is closed.");

PyObject *region_try_wait(Region *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    return handle ? region_ended(self, PyBool_FromLong(zinc_try_wait(handle) == 0)) : NULL;
}

/* Puts wait's arguments, by position or name, into `values`; defaults are NULL. */
static int parse_wait(PyObject *const *args, Py_ssize_t count, PyObject *keywords, PyObject *values[3]) {
    static const char *const names[3] = {"timeout_ms", "after", "until_alone"};
    if (count > 3) {
        PyErr_Format(PyExc_TypeError, "wait() takes at most 3 arguments (%zd given)", count);
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) values[i] = args[i];
    Py_ssize_t named = keywords ? PyTuple_Size(keywords) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *keyword = PyTuple_GetItem(keywords, i);
        int which = 0;
        while (which < 3 && PyUnicode_CompareWithASCIIString(keyword, names[which]) != 0) which++;
        if (which == 3 || values[which]) {
            PyErr_Format(PyExc_TypeError, "wait() got %s argument %R",
                         which == 3 ? "an unexpected" : "two values for the", keyword);
            return 0;
        }
        values[which] = args[count + i];
    }
    return 1;
}

const char region_wait_doc[] =
    PyDoc_STR("wait($self, timeout_ms=1000, after=None, until_alone=False)\n--\n\n"
              "Wait until there is a notification that this object has not seen, and see it.\n\n"
              "True if there was one, False if none came within `timeout_ms` milliseconds (a\n"
              "float, too; 0 only looks, None waits for ever). Several notifications may be seen\n"
              "as one. With `after`, a number that notify() or `sequence` gave: wait until the\n"
              "sequence is that no longer, and leave alone what this object has seen; so several\n"
              "threads wait on one object, or two processes talk both ways over one region.\n\n"
              "With `until_alone` it also ends, with False, within 50 ms after the last other user has\n"
              "gone, however it went; `alone` tells that from the end of the time. What others said\n"
              "before they went comes first; who is alone from the start does not wait. It looks 40\n"
              "times a second, some microseconds each.\n\n"
              "Other threads run meanwhile. Signal handlers run at once; the wait goes on after\n"
              "one that returns. Raises ValueError for a timeout that is negative or no number,\n"
              "an `after` outside 0 to 2**32 - 1, and if the region is closed, meanwhile too; with\n"
              "`until_alone` what `alone` raises.");

PyObject *region_wait(Region *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
    PyObject *values[3] = {NULL, NULL, NULL};
    if (!parse_wait(args, count, keywords, values)) return NULL;
    ZincWaitOptions options = {.size = sizeof options, .flags = ZINC_WAIT_INTERRUPTIBLE};
    if (values[1] && values[1] != Py_None) {
        if (!zinc_convert_after(values[1], &options.after)) return NULL;
        options.flags |= ZINC_WAIT_AFTER;
    }
    int until_alone = values[2] ? PyObject_IsTrue(values[2]) : 0;
    if (until_alone < 0) return NULL;
    if (until_alone) options.flags |= ZINC_WAIT_UNTIL_ALONE;
    PyObject *thousand = NULL;
    if (!values[0]) values[0] = thousand = PyLong_FromLong(1000);
    int is_valid = values[0] && zinc_convert_timeout(values[0], &options.deadline_ns);
    Py_XDECREF(thousand);
    ZincHandle handle = is_valid ? region_begin(self) : NULL;
    if (!handle) return NULL;

    /* News that are there already cost no GIL, which might take long to come back. */
    int is_new = until_alone                       ? 0
                 : options.flags & ZINC_WAIT_AFTER ? zinc_region_sequence(handle) != options.after
                                                   : zinc_try_wait(handle) == 0;
    if (is_new || (options.deadline_ns == 0 && !until_alone))
        return region_ended(self, PyBool_FromLong(is_new));
    int32_t status;
    int is_interrupted = 0;
    do {
        Py_BEGIN_ALLOW_THREADS status = zinc_region_wait(handle, &options);
        Py_END_ALLOW_THREADS if (status == -EINTR) is_interrupted = PyErr_CheckSignals() < 0;
    } while (status == -EINTR && !is_interrupted);
    region_end(self);
    if (is_interrupted) return NULL;
    if (status == -ECANCELED) {
        PyErr_Format(PyExc_ValueError, "region %R was closed during the wait", self->name);
        return NULL;
    }
    if (status < 0 && status != -ETIMEDOUT && status != -EPIPE)
        return zinc_raise(PyType_GetModuleState(self->export_type), status);
    return PyBool_FromLong(status == 0);
}

const char region_event_fd_doc[] =
    PyDoc_STR("event_fd($self)\n--\n\n"
              "A descriptor (int) that any event loop can poll: readable exactly while there is a\n"
              "notification that this object has not seen.\n\n"
              "Nobody need read it: try_wait() or wait(0) sees what is new, and makes it unreadable.\n"
              "The first call makes it, each further one returns the same. It stays the region's,\n"
              "which closes it with itself: let the loop forget it first. A forked child has one of\n"
              "its own with the same number, for a loop that it makes itself. One thread of the\n"
              "process, which needs no GIL, sleeps for all of them, from the first to the last.\n\n"
              "Raises ValueError if the region is closed, OSError if the process can have no further\n"
              "descriptor or no thread.");

PyObject *region_event_fd(Region *self, PyObject *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    int32_t descriptor = zinc_region_event_descriptor(handle);
    region_end(self);
    if (descriptor < 0) return zinc_raise(PyType_GetModuleState(self->export_type), descriptor);
    return PyLong_FromLong(descriptor);
}

PyObject *region_sequence(Region *self, void *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    return handle ? region_ended(self, PyLong_FromUnsignedLong(zinc_region_sequence(handle))) : NULL;
}

PyObject *region_seen(Region *self, void *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    return handle ? region_ended(self, PyLong_FromUnsignedLong(zinc_region_seen(handle))) : NULL;
}

PyObject *region_alone(Region *self, void *unused) {
    (void)unused;
    ZincHandle handle = region_begin(self);
    if (!handle) return NULL;
    int32_t status;
    Py_BEGIN_ALLOW_THREADS status = zinc_region_is_alone(handle);
    Py_END_ALLOW_THREADS region_end(self);
    if (status < 0) return zinc_raise(PyType_GetModuleState(self->export_type), status);
    return PyBool_FromLong(status);
}
