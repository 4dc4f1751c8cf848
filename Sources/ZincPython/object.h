/*
 * Objects: pickles whose buffers are written once, and read where they are. dump.c collects what is to
 * be written, parts.c lays it out in shared memory, load.c reads it there.
 *
 *     char[8]  MAGIC
 *     u64      bytes of the pickle's stream
 *     u64      number of buffers
 *     u64      bytes of each buffer; TICKET for one that stands for a region's ticket
 *              the stream, and each buffer, at the next multiple of 64
 *
 * What does not fit where it is wanted has a region of its own, of this layout, and in its place is
 *
 *     char[8]  RECORD
 *     u64      id of the region
 *     u64      bytes of the region
 *              its name
 */
#ifndef ZINCPYTHON_OBJECT_H
#define ZINCPYTHON_OBJECT_H

#include "module.h"

/* No text begins so, in UTF-8 or ASCII. */
#define MAGIC "\xf5zincobj"
#define RECORD "\xf5zincref"
#define TICKET UINT64_MAX
enum { OBJECT_HEAD = 24 };

/* Where a buffer begins that follows so many bytes. */
static inline uint64_t aligned(uint64_t bytes) { return (bytes + 63) & ~(uint64_t)63; }

typedef struct {
    enum { STREAM, BUFFER, LATER, REGION } kind;
    Py_buffer bytes; /* which it holds; none of what is written later, or is a region */
    PyObject *later; /* what is written later, or the region's */
} Part;

typedef struct {
    PyObject_HEAD Part *parts;
    Py_ssize_t count, room;
    uint64_t stream, buffers; /* bytes, and number of buffers */
    uint64_t size;            /* bytes of it all */
    PyObject *tickets;        /* whatever python/zinc/_objects.py says */
    /* Of the one that collects, and is used again: */
    PyObject *pickler, *dump, *clear;
    PyObject *SHARED table, *SHARED registered;
    Py_ssize_t modules, kinds;
} Parts;

/* The size of a Later that stands for a region's ticket; for bytes, which copies may write. */
enum { LATER_REGION = -1, LATER_BYTES = -2 };

/* The bytes of a Later. */
Py_ssize_t later_size(PyObject *later);
/* Lets it write to `memory`, or gives the region. */
PyObject *later_write(PyObject *later, void *memory);
PyObject *later_region(PyObject *later);

/* Adds a part of a kind: its memory to be filled, or NULL with an exception. */
Part *parts_add(Parts *self);
/* Adds up what there is: 0, or -1 with an exception for more than there are addresses. */
int parts_finish(Parts *self);
void parts_empty(Parts *self);
/* Is there one of this kind? */
int parts_have(const Parts *self, int kind);

/* Writes all to memory of as many bytes as it has: 0, or -1 with an exception. */
int parts_write(Parts *self, void *memory);

/*
 * What is there to be written, at its offsets: pieces to be freed, or NULL with an exception; and what
 * is not, to memory that has the pieces already.
 */
ZincPiece *parts_pieces(Parts *self, uintptr_t *count);
int parts_write_later(Parts *self, void *memory);

/* Copies, while other threads run if that takes long. */
void object_copy(void *to, const void *from, uint64_t size);

/* What becomes of an object's buffers: read-only where they are, read-only copies, writable ones. */
enum { IN_PLACE, COPIED, PRIVATE };

/* Reads an object from anything with a buffer; `number` is of a message, or 0. */
PyObject *object_load(ModuleState *state, PyObject *slot, int copy, PyObject *taken,
                      unsigned long long number);

/* A name of zinc._objects, once asked for kept in `*place`. */
PyObject *object_helper(PyObject * SHARED * place, const char *module, const char *name);

extern PyType_Spec zinc_parts_spec, zinc_later_spec;

PyObject *zinc_module_dump(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *zinc_module_load(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
