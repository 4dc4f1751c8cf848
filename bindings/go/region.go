package zinc

// #include "zincgo.h"
import "C"

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

// MaxNameLen is the longest name of a region, in bytes. Names match [A-Za-z0-9_-]+.
const MaxNameLen = 250

// ErrInvalidOffset is what Seek, ReadAt and WriteAt return for offsets and origins that can't be.
var ErrInvalidOffset = errors.New("zinc: invalid offset")

// A SharedRegion is memory with a name that several processes share. It goes with its last user, of all
// processes; one that is killed is no user any more.
//
// As a reader and writer it has a position, from 0, which copies of the value share, as they share the
// region: closing one closes all. A nil one and a zero one act as closed.
type SharedRegion struct {
	*region
}

type region struct {
	handle
	position struct {
		sync.Mutex
		offset int64
	}
}

// Options say how to create, open or attach; the zero value says nothing.
type Options struct {
	Persistent bool   // create: it lasts until it is unlinked, or the machine restarts
	Sparse     bool   // create: reserve no memory; a page that can't be had later is a SIGBUS
	Replace    bool   // create: a region that has the name loses it
	ReadOnly   bool   // open: the data can't be written through it; an attempt is a fault
	AnyUser    bool   // open: it may belong to another user
	HugePages  bool   // map huge pages where the system has them
	Prefault   bool   // touch all pages in the call
	Mode       uint32 // create: permissions, which include 0600; 0 is 0600
	Kind       uint32 // create: what the data is; 0 is raw, and numbers from 1000 on are yours
	Metadata   []byte // create: at most 2048 bytes that the region keeps beside its data
	Contents   []byte // create: what the data begins with, complete before anybody can open it
}

// with calls body with the options for C. Nil ones say nothing.
func (o *Options) with(body func(*C.ZincOptions) (*handle, error)) (*handle, error) {
	options := C.ZincOptions{size: C.sizeof_ZincOptions}
	if o == nil {
		return body(&options)
	}
	for _, flag := range []struct {
		is   bool
		flag C.uint32_t
	}{
		{o.Persistent, C.ZINC_PERSISTENT}, {o.Sparse, C.ZINC_SPARSE}, {o.Replace, C.ZINC_REPLACE},
		{o.ReadOnly, C.ZINC_READONLY}, {o.AnyUser, C.ZINC_ANY_USER}, {o.HugePages, C.ZINC_HUGEPAGES},
		{o.Prefault, C.ZINC_PREFAULT},
	} {
		if flag.is {
			options.flags |= flag.flag
		}
	}
	options.mode, options.kind = C.uint32_t(o.Mode), C.uint32_t(o.Kind)
	var pins runtime.Pinner
	defer pins.Unpin()
	if len(o.Metadata) > 0 {
		pins.Pin(&o.Metadata[0])
		options.metadata, options.metadata_length = unsafe.Pointer(&o.Metadata[0]), C.uintptr_t(len(o.Metadata))
	}
	if len(o.Contents) > 0 {
		pins.Pin(&o.Contents[0])
		options.contents, options.contents_length = unsafe.Pointer(&o.Contents[0]), C.uintptr_t(len(o.Contents))
	}
	return body(&options)
}

func regionOf(h *handle, err error) (*SharedRegion, error) {
	if err != nil {
		return nil, err
	}
	made := &region{}
	made.raw = h.raw
	return &SharedRegion{made}, nil
}

// Create creates a region of capacity bytes, from 1 on. The error is fs.ErrExist if a living region has
// the name, syscall.EINVAL for what can't be, syscall.ENOSPC where the memory is not there.
func (o *Options) Create(name string, capacity uint) (*SharedRegion, error) {
	return regionOf(named(name, func(name *C.char) (*handle, error) {
		return o.with(func(options *C.ZincOptions) (*handle, error) {
			return attach(func(out *C.ZincHandle) C.int32_t {
				return C.zinc_region_create(name, C.uintptr_t(capacity), options, out)
			})
		})
	}))
}

// Open attaches to the region of this name, and waits for it to be there as long as the context lasts.
// The error is fs.ErrPermission if its owner or mode forbids it, and syscall.EBADMSG if what has the name
// is no region.
func (o *Options) Open(ctx context.Context, name string) (*SharedRegion, error) {
	return regionOf(o.await(ctx, name))
}

func (o *Options) await(ctx context.Context, name string) (*handle, error) {
	return named(name, func(name *C.char) (*handle, error) {
		return o.with(func(options *C.ZincOptions) (*handle, error) {
			var raw C.ZincHandle
			for {
				timeout := uint64(slice)
				if ctx.Done() == nil {
					timeout = C.ZINC_FOREVER
				}
				_, err := look(timeout, 0, func(wait *C.ZincWaitOptions) C.int32_t {
					return C.zinc_region_await(name, options, wait, &raw)
				})
				if err == nil {
					return &handle{raw: raw}, nil
				}
				if !errors.Is(err, syscall.ENOENT) {
					return nil, err
				}
				if err := ctx.Err(); err != nil {
					return nil, err
				}
			}
		})
	})
}

// open attaches to what is there now.
func (o *Options) open(name string) (*handle, error) {
	return named(name, func(name *C.char) (*handle, error) {
		return o.with(func(options *C.ZincOptions) (*handle, error) {
			return attach(func(out *C.ZincHandle) C.int32_t { return C.zinc_region_open(name, options, out) })
		})
	})
}

// OpenOrCreate opens the region of this name, or creates it: of several that call this at once one
// creates. The error is fs.ErrExist if it exists with another capacity; else as for Create.
func (o *Options) OpenOrCreate(name string, capacity uint) (*SharedRegion, error) {
	return regionOf(named(name, func(name *C.char) (*handle, error) {
		return o.with(func(options *C.ZincOptions) (*handle, error) {
			return attach(func(out *C.ZincHandle) C.int32_t {
				return C.zinc_region_open_or_create(name, C.uintptr_t(capacity), options, out)
			})
		})
	}))
}

// Anonymous creates a region without a name, which travels as its Descriptor and goes with the last one.
func (o *Options) Anonymous(capacity uint) (*SharedRegion, error) {
	return regionOf(o.with(func(options *C.ZincOptions) (*handle, error) {
		return attach(func(out *C.ZincHandle) C.int32_t {
			return C.zinc_region_create_anonymous(C.uintptr_t(capacity), options, out)
		})
	}))
}

// FromDescriptor attaches to an anonymous region by its descriptor, which stays the caller's. The error
// is syscall.EBADMSG if it is not one's.
func (o *Options) FromDescriptor(descriptor int) (*SharedRegion, error) {
	return regionOf(o.fromDescriptor(descriptor))
}

func (o *Options) fromDescriptor(descriptor int) (*handle, error) {
	return o.with(func(options *C.ZincOptions) (*handle, error) {
		return attach(func(out *C.ZincHandle) C.int32_t {
			return C.zinc_region_open_descriptor(C.int32_t(descriptor), options, out)
		})
	})
}

// Create creates a region of capacity bytes, zeroed, for this user alone. See [Options.Create].
func Create(name string, capacity uint) (*SharedRegion, error) {
	return (*Options)(nil).Create(name, capacity)
}

// Open attaches to the living region of this name. The error is fs.ErrNotExist if there is none; else as
// for [Options.Open].
func Open(name string) (*SharedRegion, error) { return regionOf((*Options)(nil).open(name)) }

// OpenOrCreate opens the region of this name, or creates it. See [Options.OpenOrCreate].
func OpenOrCreate(name string, capacity uint) (*SharedRegion, error) {
	return (*Options)(nil).OpenOrCreate(name, capacity)
}

// Anonymous creates a region without a name. See [Options.Anonymous].
func Anonymous(capacity uint) (*SharedRegion, error) { return (*Options)(nil).Anonymous(capacity) }

// FromDescriptor attaches to an anonymous region. See [Options.FromDescriptor].
func FromDescriptor(descriptor int) (*SharedRegion, error) {
	return (*Options)(nil).FromDescriptor(descriptor)
}

// Unlink removes a region's name, whoever is attached; they go on with what they have. The error is
// fs.ErrNotExist if there is none, and syscall.EBADMSG if what has its place is no region.
func Unlink(name string) error {
	_, err := named(name, func(name *C.char) (int, error) {
		return told(func() C.int32_t { return C.zinc_region_unlink(name, 0) })
	})
	return err
}

// Reclaim removes every region whose last user was killed, as far as this user may, and returns how many
// bytes that freed.
func Reclaim() uint64 { return uint64(C.zinc_reclaim(nil, nil)) }

func (r *SharedRegion) state() *region {
	if r == nil {
		return nil
	}
	return r.region
}

func (r *SharedRegion) own() *handle {
	if state := r.state(); state != nil {
		return &state.handle
	}
	return nil
}

// Close detaches. It ends the waits of other goroutines, waits for other calls in progress, and may come
// twice. What Bytes has returned is not to be touched any more.
func (r *SharedRegion) Close() error {
	r.own().close()
	return nil
}

// Bytes returns the data, where it lies, until Close; nil if that was. Others may write it meanwhile: what
// Notify and Wait order, or a lock does, is whole. Of a region that was opened read-only, a write is a fault.
func (r *SharedRegion) Bytes() (bytes []byte) {
	_ = r.own().use(func(raw C.ZincHandle) error {
		bytes = data(raw)
		return nil
	})
	return bytes
}

func data(raw C.ZincHandle) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(C.zinc_ptr(raw))), int(C.zinc_capacity(raw)))
}

// Capacity returns the size of the data in bytes; 0 after Close.
func (r *SharedRegion) Capacity() uint { return uint(len(r.Bytes())) }

// Name returns the name, "" for an anonymous region, and after Close.
func (r *SharedRegion) Name() string { return r.own().name() }

func (h *handle) name() (name string) {
	_ = h.use(func(raw C.ZincHandle) error {
		name = C.GoString(C.zinc_region_name(raw))
		return nil
	})
	return name
}

// Kind returns what the data is: 0 is raw.
func (r *SharedRegion) Kind() (kind uint32) {
	_ = r.own().use(func(raw C.ZincHandle) error {
		kind = uint32(C.zinc_region_kind(raw))
		return nil
	})
	return kind
}

// ID returns a random number that tells two regions of one name apart.
func (r *SharedRegion) ID() uint64 { return r.own().id() }

func (h *handle) id() (id uint64) {
	_ = h.use(func(raw C.ZincHandle) error {
		id = uint64(C.zinc_region_id(raw))
		return nil
	})
	return id
}

// Metadata returns a copy of what the region's creator gave it to keep. Who may write the region can
// change it: check what you read.
func (r *SharedRegion) Metadata() (metadata []byte) {
	_ = r.own().use(func(raw C.ZincHandle) error {
		metadata = metadataOf(raw)
		return nil
	})
	return metadata
}

func metadataOf(raw C.ZincHandle) []byte {
	var length C.uintptr_t
	start := C.zinc_region_metadata(raw, &length)
	return C.GoBytes(start, C.int(length))
}

func (r *SharedRegion) is(ask func(C.ZincHandle) C.int32_t) (is bool) {
	_ = r.own().use(func(raw C.ZincHandle) error {
		is = ask(raw) == 1
		return nil
	})
	return is
}

// IsReadOnly reports whether the data can't be written through this value.
func (r *SharedRegion) IsReadOnly() bool {
	return r.is(func(raw C.ZincHandle) C.int32_t { return C.zinc_region_is_readonly(raw) })
}

// IsCreated reports whether the call that this value is from created the region.
func (r *SharedRegion) IsCreated() bool {
	return r.is(func(raw C.ZincHandle) C.int32_t { return C.zinc_region_is_created(raw) })
}

// IsLinked reports whether the name still leads to this region. One system call.
func (r *SharedRegion) IsLinked() bool {
	return r.is(func(raw C.ZincHandle) C.int32_t { return C.zinc_region_is_linked(raw) })
}

// IsAlone reports whether nobody else is attached, of this process or another. The error is syscall.EINVAL
// for an anonymous region, of whose users there is no record.
func (r *SharedRegion) IsAlone() (bool, error) {
	alone, err := r.own().told(func(raw C.ZincHandle) C.int32_t { return C.zinc_region_is_alone(raw) })
	return alone == 1, err
}

// Unlink removes the name, if it still leads to this region; who is attached goes on.
func (r *SharedRegion) Unlink() error { return r.own().unlink() }

func (h *handle) unlink() error {
	_, err := h.told(func(raw C.ZincHandle) C.int32_t { return C.zinc_region_remove(raw) })
	return err
}

// Descriptor returns an anonymous region's descriptor, to be handed on; it stays the region's. The error is
// syscall.EINVAL for a region with a name.
func (r *SharedRegion) Descriptor() (int, error) { return r.own().descriptor() }

func (h *handle) descriptor() (number int, err error) {
	err = h.use(func(raw C.ZincHandle) error {
		if number = int(C.zinc_region_descriptor(raw)); number >= 0 {
			return nil
		}
		errno := syscall.Errno(-number)
		number = -1
		return &Error{errno, "a region with a name has no descriptor to hand on: open it by the name"}
	})
	return number, err
}

// EventDescriptor returns a descriptor for poll(2) and event loops, readable while TryWait would be true.
// It stays the region's, and nobody need read it.
func (r *SharedRegion) EventDescriptor() (int, error) {
	return r.own().told(func(raw C.ZincHandle) C.int32_t { return C.zinc_region_event_descriptor(raw) })
}

// Notify says that there is something new, and wakes who waits. What this goroutine wrote before is seen by
// whoever returns from a wait because of it. It returns the sequence; the error is fs.ErrPermission if this
// user may only read the region, and nobody was told.
func (r *SharedRegion) Notify() (uint32, error) {
	h := r.own()
	if err := h.begin(); err != nil {
		return 0, err
	}
	var sequence C.uint32_t
	status := C.zinc_region_notify(h.raw, &sequence)
	h.mu.RUnlock()
	if status < 0 {
		return 0, &Error{syscall.Errno(-status), "notify: this user may only read the region"}
	}
	return uint32(sequence), nil
}

// Wait waits until there is something that this value has not seen, for so many milliseconds: 0 only looks,
// and [math.MaxUint32] waits for ever. It returns whether there was; false, too, if the region is closed,
// before or meanwhile. Several notifications may be seen as one.
func (r *SharedRegion) Wait(milliseconds uint32) bool {
	h := r.own()
	if h.begin() != nil {
		return false
	}
	status := C.zinc_wait(h.raw, C.uint32_t(milliseconds))
	h.mu.RUnlock()
	return status == 0
}

// TryWait reports whether there was something new, which is seen now. It never sleeps.
func (r *SharedRegion) TryWait() bool {
	h := r.own()
	if h.begin() != nil {
		return false
	}
	defer h.mu.RUnlock()
	return C.zinc_try_wait(h.raw) == 0
}

// WaitContext waits until there is something that this value has not seen, or the context is done. The error
// is the context's, or io.ErrClosedPipe if the region is closed.
func (r *SharedRegion) WaitContext(ctx context.Context) error {
	return r.own().use(func(raw C.ZincHandle) error {
		_, err := waiting(ctx, 0, func(wait *C.ZincWaitOptions) C.int32_t { return C.zinc_region_wait(raw, wait) })
		return err
	})
}

// WaitAfter waits until the sequence is not sequence, and leaves alone what this value has seen: for an
// answer to what Notify returned.
func (r *SharedRegion) WaitAfter(ctx context.Context, sequence uint32) error {
	return r.own().use(func(raw C.ZincHandle) error {
		_, err := waiting(ctx, C.ZINC_WAIT_AFTER, func(wait *C.ZincWaitOptions) C.int32_t {
			wait.after = C.uint32_t(sequence)
			return C.zinc_region_wait(raw, wait)
		})
		return err
	})
}

// Sequence returns how many notifications there were, modulo 2^32.
func (r *SharedRegion) Sequence() (sequence uint32) {
	_ = r.own().use(func(raw C.ZincHandle) error {
		sequence = uint32(C.zinc_region_sequence(raw))
		return nil
	})
	return sequence
}

// WaitAny waits until at least one of the regions has something new, which it sees, and returns the indices
// of those. The error is the context's, io.ErrClosedPipe if one of them is closed, and syscall.EINVAL for
// none.
func WaitAny(ctx context.Context, regions ...*SharedRegion) ([]int, error) {
	if len(regions) == 0 {
		return nil, &Error{syscall.EINVAL, "there is no region to wait for"}
	}
	items := make([]C.ZincWaitItem, len(regions))
	for i, r := range regions {
		h := r.own()
		if err := h.begin(); err != nil {
			return nil, err
		}
		defer h.mu.RUnlock()
		items[i].handle = h.raw
	}
	_, err := waiting(ctx, 0, func(wait *C.ZincWaitOptions) C.int32_t {
		return C.zinc_wait_any(&items[0], C.uintptr_t(len(items)), wait)
	})
	if err != nil {
		return nil, err
	}
	var found []int
	for i := range items {
		if items[i].is_new == 1 {
			found = append(found, i)
		}
	}
	return found, nil
}

// ---- as a reader and writer ----

var (
	_ io.ReadWriteSeeker = (*SharedRegion)(nil)
	_ io.ReaderAt        = (*SharedRegion)(nil)
	_ io.WriterAt        = (*SharedRegion)(nil)
	_ io.Closer          = (*SharedRegion)(nil)
)

// ReadAt copies bytes out from offset on: io.EOF if there are fewer.
func (r *SharedRegion) ReadAt(p []byte, offset int64) (n int, err error) {
	err = r.own().use(func(raw C.ZincHandle) error {
		if offset < 0 {
			return ErrInvalidOffset
		}
		bytes := data(raw)
		if offset < int64(len(bytes)) {
			n = copy(p, bytes[offset:])
		}
		if n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

// WriteAt copies bytes in from offset on: io.ErrShortWrite if there is not room for all, and fs.ErrPermission
// if the region was opened read-only.
func (r *SharedRegion) WriteAt(p []byte, offset int64) (n int, err error) {
	err = r.own().use(func(raw C.ZincHandle) error {
		if offset < 0 {
			return ErrInvalidOffset
		}
		if C.zinc_region_is_readonly(raw) == 1 {
			return &Error{syscall.EPERM, "write: the region was opened read-only"}
		}
		bytes := data(raw)
		if offset < int64(len(bytes)) {
			n = copy(bytes[offset:], p)
		}
		if n < len(p) {
			return io.ErrShortWrite
		}
		return nil
	})
	return n, err
}

// Read copies bytes out from the position on, and moves it: io.EOF at the end.
func (r *SharedRegion) Read(p []byte) (int, error) {
	return r.move(func(offset int64) (int, error) {
		n, err := r.ReadAt(p, offset)
		if n > 0 || len(p) == 0 && err == io.EOF {
			err = nil // told by the next one
		}
		return n, err
	})
}

// Write copies bytes in from the position on, and moves it: io.ErrShortWrite at the capacity.
func (r *SharedRegion) Write(p []byte) (int, error) {
	return r.move(func(offset int64) (int, error) { return r.WriteAt(p, offset) })
}

func (r *SharedRegion) move(body func(int64) (int, error)) (int, error) {
	state := r.state()
	if state == nil {
		return 0, io.ErrClosedPipe
	}
	state.position.Lock()
	defer state.position.Unlock()
	n, err := body(state.position.offset)
	state.position.offset += int64(n)
	return n, err
}

// Seek moves the position, anywhere from 0 to the capacity. One that fails leaves it.
func (r *SharedRegion) Seek(offset int64, whence int) (int64, error) {
	state := r.state()
	if state == nil {
		return 0, io.ErrClosedPipe
	}
	state.position.Lock()
	defer state.position.Unlock()
	err := state.use(func(raw C.ZincHandle) error {
		capacity := int64(C.zinc_capacity(raw))
		var origin int64
		switch whence {
		case io.SeekStart:
		case io.SeekCurrent:
			origin = state.position.offset
		case io.SeekEnd:
			origin = capacity
		default:
			return ErrInvalidOffset
		}
		to := origin + offset // less than 0 where it overflows, since no origin is
		if to < 0 || to > capacity {
			return ErrInvalidOffset
		}
		state.position.offset = to
		return nil
	})
	if err != nil {
		return 0, err
	}
	return state.position.offset, nil
}
