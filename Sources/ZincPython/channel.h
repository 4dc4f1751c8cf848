/*
 * Channels and queues for Python: channel.c writes, reader.c reads, worker.c works, message.c
 * and loan.c are what they hand out.
 */
#ifndef ZINCPYTHON_CHANNEL_H
#define ZINCPYTHON_CHANNEL_H

#include "primitive.h"

#ifdef Py_GIL_DISABLED
#define BEGIN_EXCLUSIVE(object) Py_BEGIN_CRITICAL_SECTION((PyObject *)(object))
#define END_EXCLUSIVE() Py_END_CRITICAL_SECTION()
#else /* the GIL, which is kept in between */
#define BEGIN_EXCLUSIVE(object) {
#define END_EXCLUSIVE() }
#endif

/*
 * Who writes, reads or works. It outlives its close() for as long as a message or a loan of it is in use, as
 * a region outlives its own: the seat is left, and the pins go, with the last of them.
 */
typedef struct {
    PyObject_HEAD Region *region; /* a handle of its own, which a use holds until the end */
    PyObject *form;               /* what makes an array of a Slot */
    ModuleState *state;
    void *SHARED core;  /* ZincWriter, ZincReader or ZincWorker; null before it begins, and after its end */
    void *SHARED held;  /* the region again, as long as its use is this one's to end */
    void *SHARED spare; /* memory for the next message, or null */
    SHARED size_t uses; /* as a region's */
    void (*end)(void *core);
    uint32_t flags; /* a reader's: how it waits */
    char is_queue;  /* what its region is */
    /* Of who works: */
    char leaves;            /* what next() has given is left to others, unless it is said to be done */
    size_t views;           /* so many messages it holds before objects are copied out of them */
    SHARED size_t messages; /* that it holds: at work, or read */
} End;

/* Fills what was allocated: 0, or -1 with an exception, if the region is closed. */
int end_init(End *self, PyTypeObject *type, PyObject *region, PyObject *form, void (*end)(void *core));
void end_dealloc(End *self);

/* Nobody uses what was closed any more: it leaves its seat, and detaches. */
void end_finish(End *self);

static inline void end_release(End *self) {
    if ((self->uses -= ONE_USE) == CLOSED) end_finish(self);
}

static inline int end_begin_if_open(End *self) {
    if (!((self->uses += ONE_USE) & CLOSED)) return 1;
    end_release(self);
    return 0;
}

/* Begins a use: 1, or 0 with an exception if it is closed. */
int end_begin(End *self, const char *call);

/* close(), and whether that was done; and what both types have. */
PyObject *end_close(End *self, PyObject *unused);
PyObject *end_closed(End *self, void *unused);

/* "channel 'name'" or "queue 'name'", for messages. */
PyObject *end_title(End *self);

/* Raises what a call for it has failed with. Returns NULL. */
PyObject *end_raise(End *self, int32_t status);

/*
 * Puts arguments by position or name into `values`, which hold NULL: 1, or 0 with an exception.
 * `names` ends with a null; the first `needed` have to be there.
 */
int end_arguments(const char *call, const char *const *names, int needed, PyObject *const *args,
                  Py_ssize_t count, PyObject *keywords, PyObject **values);

/* How many messages there have been that it has not come to; negative if it is damaged. A use has
 * begun. */
int64_t reader_lag(End *reader);

/* What arrays and memoryviews of a message or a loan hold; message.c has both. */
PyObject *slot_of_loan(End *writer, const ZincLoan *loan, Py_ssize_t length);
void slot_seal(PyObject *slot);

/* What was received, of a channel or of a queue: they begin alike. */
typedef union {
    ZincMessage message;
    ZincTask task;
} Received;

/* A message that `reader`, or who works, has just received, in a use that is now the message's to end;
 * owns it, also when it fails. */
PyObject *message_new(End *reader, const Received *received);

/* Lets the end of the object leave it to others, where who works does that. */
void message_claim(PyObject *message);

/* Receiving, of readers and of workers; reader.c has them. */
PyObject *end_recv(End *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *end_try_recv(End *self, PyObject *unused);
PyObject *end_recv_many(End *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *end_name(End *self, void *unused);
PyObject *end_region(End *self, void *unused);

/* The deadline, or so many nanoseconds from now on, if that is earlier. */
uint64_t earlier(uint64_t deadline, uint64_t interval);

/* The next message by the deadline, or NULL: with an exception, unless the status is -ETIMEDOUT. */
PyObject *end_next(End *self, uint64_t deadline, int32_t *status);

/* A loan of this writer's, in a use that is now the loan's to end; likewise. */
PyObject *loan_new(End *writer, const ZincLoan *lent, uint64_t length, uint64_t tag);

/* A region that a message refers to, and how many nanoseconds it is kept for who loads that. */
typedef struct {
    ZincHandle handle;
    uint64_t lease;
} Referred;

/* Publishes by the deadline: 0, or -1 with an exception, and the loan stays one. `to` may be null. */
int loan_publish(End *writer, const ZincLoan *loan, ZincMessageHead *head, uint64_t deadline,
                 const Referred *to);

/* Gives a loan back unpublished. */
void loan_give_back(End *writer, const ZincLoan *loan);

/* How often this process was forked on its way: what its parent has is not its own. */
unsigned fork_era(void);

extern PyType_Spec zinc_writer_spec, zinc_channel_spec, zinc_channel_reader_spec, zinc_worker_spec,
    zinc_message_spec, zinc_loan_spec, zinc_slot_spec;

PyObject *zinc_module_create_channel(PyObject *module, PyObject *args);
PyObject *zinc_module_examine_channel(PyObject *module, PyObject *args);
PyObject *zinc_module_channel_keeps(PyObject *module, PyObject *args);
PyObject *zinc_module_examine_queue(PyObject *module, PyObject *args);
PyObject *zinc_module_close_queue(PyObject *module, PyObject *args);
PyObject *zinc_module_join_queue(PyObject *module, PyObject *args);
PyObject *zinc_module_find_message(PyObject *module, PyObject *args);
PyObject *zinc_module_examine_channel_name(PyObject *module, PyObject *args);
PyObject *zinc_module_examine_queue_name(PyObject *module, PyObject *args);
PyObject *zinc_module_channel_users(PyObject *module, PyObject *args);

/* What can be told of a channel, as the extension does it. */
PyObject *zinc_channel_told(const void *info);
PyObject *zinc_queue_told(const void *info);

#endif
