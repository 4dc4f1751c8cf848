/*
 * Export: what a memoryview of a region is of. It holds the memory, as a call in progress
 * does, until the last reference goes; close() does not wait for that, and unmaps nothing
 * before. The view could hold the memory itself, by the buffer that it gives back at its end.
 * But numpy.ndarray(buffer=view) lets go of the view at once, and keeps what it is of.
 */
#include "region.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD Region *region;
} Export;

/* A new reference, with a begun call that is now the Export's to end; NULL with an exception. */
static Export *export_of(Region *region) {
    Export *self = EXCHANGE(region->spare_export, NULL);
    if (self)
        PyObject_Init((PyObject *)self, region->export_type);
    else
        self = PyObject_GC_New(Export, region->export_type);
    if (!self) return NULL;
    self->region = (Region *)Py_NewRef((PyObject *)region);
    PyObject_GC_Track(self);
    return self;
}

int region_export(Region *region, Py_buffer *view) {
    Export *export = export_of(region);
    if (!export) {
        region_end(region);
        return -1;
    }
    /* As PyBuffer_FillInfo does it for these flags. */
    view->obj = (PyObject *)export;
    view->buf = zinc_ptr(region->handle);
    view->len = region->capacity;
    view->itemsize = 1;
    view->readonly = region->is_readonly;
    view->ndim = 1;
    view->format = "B";
    view->shape = &view->len;
    view->strides = &view->itemsize;
    view->suboffsets = NULL;
    view->internal = NULL;
    return 0;
}

/* pickle.PickleBuffer asks what its buffer is of, whoever asks it. */
static int export_getbuffer(Export *self, Py_buffer *view, int flags) {
    Region *region = self->region;
    return PyBuffer_FillInfo(view, (PyObject *)self, zinc_ptr(region->handle), region->capacity,
                             region->is_readonly, flags);
}

/* Leaves the object for the region's next view, if there is none yet. */
static void export_dealloc(Export *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Region *region = self->region;
    PyObject_GC_UnTrack(self);
    Export *other = EXCHANGE(region->spare_export, self);
    if (other) PyObject_GC_Del(other);
    Py_DECREF((PyObject *)type);
    region_end(region);
    Py_DECREF((PyObject *)region);
}

/* An attribute of a subclass may hold a view. */
static int export_traverse(Export *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT((PyObject *)self->region);
    return 0;
}

static PyMemberDef export_members[] = {
    {"base", T_OBJECT, offsetof(Export, region), READONLY, "The region that the memory is of."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot export_slots[] = {
    {Py_tp_dealloc, export_dealloc},
    {Py_tp_traverse, export_traverse},
    {Py_tp_members, export_members},
    {Py_bf_getbuffer, export_getbuffer},
    {Py_tp_doc, (void *)"What a memoryview of a region is of: it holds the memory."},
    {0, NULL},
};

PyType_Spec zinc_export_spec = {
    .name = "zinc._zinc.Export",
    .basicsize = sizeof(Export),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = export_slots,
};
