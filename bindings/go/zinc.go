package zinc

// #include "zincgo.h"
import "C"

import (
	"context"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// An Error is what the library says of a call that failed. It wraps its number of <errno.h>, so that
// errors.Is(err, fs.ErrNotExist), fs.ErrExist, fs.ErrPermission and each syscall.Errno tell what it is.
type Error struct {
	Errno   syscall.Errno
	Message string // which call, of what, and what to do
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the number.
func (e *Error) Unwrap() error { return e.Errno }

// What waits end with leaves no message, so they have one here.
var ends = map[syscall.Errno]string{
	syscall.EAGAIN:     "not now",
	syscall.EPIPE:      "it is closed, or nobody who writes is left",
	syscall.EOWNERDEAD: "the last holder of the lock died with it: Recover it, and repair what it guards",
}

// told calls the library, and returns what it tells of a failure: that is the thread's, so the goroutine
// has to stay on it.
func told(call func() C.int32_t) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	status := call()
	if status >= 0 {
		return int(status), nil
	}
	errno := syscall.Errno(-status)
	switch errno {
	case syscall.ECANCELED:
		return 0, io.ErrClosedPipe
	case syscall.ETIMEDOUT:
		return 0, errTimedOut
	}
	message, isEnd := ends[errno]
	if !isEnd {
		message = C.GoString(C.zinc_error_message())
	}
	return 0, &Error{errno, message}
}

var errTimedOut = &Error{syscall.ETIMEDOUT, "nothing came in time"}

// A part of a wait whose context may be done.
const slice = 20 * time.Millisecond

// waiting calls what waits until it is over, or the context is done.
func waiting(ctx context.Context, flags uint32, call func(*C.ZincWaitOptions) C.int32_t) (int, error) {
	if ctx.Done() == nil {
		return look(C.ZINC_FOREVER, flags, call)
	}
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if status, err := look(uint64(slice), flags, call); err != error(errTimedOut) {
			return status, err
		}
	}
}

// look calls what waits, for so many nanoseconds.
func look(timeout uint64, flags uint32, call func(*C.ZincWaitOptions) C.int32_t) (int, error) {
	return told(func() C.int32_t {
		wait := C.zincgo_wait(C.uint64_t(timeout), C.uint32_t(flags))
		return call(&wait)
	})
}

// A handle is one of the library's, and what sits on it. Whoever uses it holds the lock to read.
type handle struct {
	mu      sync.RWMutex
	raw     C.ZincHandle
	end     func() // what comes before zinc_close
	closing atomic.Bool
}

// begin holds the handle; without an error there has to be a mu.RUnlock after the call. It does not wait
// for the lock, since that is taken only by who closes: so whoever holds several waits for nobody.
func (h *handle) begin() error {
	if h == nil || !h.mu.TryRLock() {
		return io.ErrClosedPipe
	}
	if h.raw == nil || h.closing.Load() {
		h.mu.RUnlock()
		return io.ErrClosedPipe
	}
	return nil
}

// use calls body with the handle held.
func (h *handle) use(body func(C.ZincHandle) error) error {
	if err := h.begin(); err != nil {
		return err
	}
	defer h.mu.RUnlock()
	return body(h.raw)
}

// told calls the library with the handle held.
func (h *handle) told(call func(C.ZincHandle) C.int32_t) (status int, err error) {
	err = h.use(func(raw C.ZincHandle) (err error) {
		status, err = told(func() C.int32_t { return call(raw) })
		return err
	})
	return status, err
}

func (h *handle) close() {
	if h == nil || !h.closing.CompareAndSwap(false, true) {
		return
	}
	C.zinc_region_stop(h.raw) // ends the waits of others, who hold the lock
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.end != nil {
		h.end()
	}
	C.zinc_close(h.raw)
	h.raw = nil
}

// attach calls what makes a handle.
func attach(call func(*C.ZincHandle) C.int32_t) (*handle, error) {
	var raw C.ZincHandle
	if _, err := told(func() C.int32_t { return call(&raw) }); err != nil {
		return nil, err
	}
	return &handle{raw: raw}, nil
}

// named calls body with a name for C. A NUL in it is an error, as any character is that it can't have.
func named[T any](name string, body func(*C.char) (T, error)) (T, error) {
	if strings.IndexByte(name, 0) >= 0 {
		var none T
		return none, &Error{syscall.EINVAL, "a name can't have a NUL in it"}
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	return body(text)
}

func since1970(nanoseconds C.uint64_t) time.Time { return time.Unix(0, int64(nanoseconds)) }
