package zinc

// #include "zincgo.h"
import "C"

import (
	"context"
	"errors"
	"syscall"
)

// A Lock is one for all processes of a machine, by name, which a holder that is killed does not take along.
// The holder is the value: goroutines that share one exclude each other, and any of them may unlock it.
type Lock struct {
	handle *handle
	offset C.uintptr_t
	isPart bool
}

// OpenLock opens the lock of this name, or creates it. The error is fs.ErrExist if something else has the
// name.
func OpenLock(name string) (*Lock, error) {
	h, err := primitive(name, C.ZINC_LOCK)
	if err != nil {
		return nil, err
	}
	return &Lock{handle: h, offset: C.ZINC_OWN_LOCK}, nil
}

func primitive(name string, kind C.uint32_t) (*handle, error) {
	return named(name, func(name *C.char) (*handle, error) {
		return attach(func(out *C.ZincHandle) C.int32_t { return C.zinc_primitive_open(name, kind, 0, nil, out) })
	})
}

// OwnLock returns the lock that each region has beside its data. It is closed with the region alone.
func (r *SharedRegion) OwnLock() *Lock {
	return &Lock{handle: r.own(), offset: C.ZINC_OWN_LOCK, isPart: true}
}

// LockAt returns a lock inside the data: 16 bytes at a multiple of 8, zeros at first, that nobody else writes.
// Its calls return syscall.EINVAL for an offset that can't be. It is closed with the region alone.
func (r *SharedRegion) LockAt(offset uint) *Lock {
	return &Lock{handle: r.own(), offset: C.uintptr_t(offset), isPart: true}
}

func (l *Lock) own() *handle {
	if l == nil {
		return nil
	}
	return l.handle
}

// Lock acquires the lock. The error is syscall.EOWNERDEAD if its last holder was killed: then nobody holds it
// until one calls Recover. It is the context's if somebody else still held it then, and syscall.EUSERS when
// all 120 seats are taken.
func (l *Lock) Lock(ctx context.Context) error {
	_, err := l.acquire(ctx, 0)
	return err
}

// Recover acquires the lock from a dead holder, too, and reports whether there was one: then what the lock
// guards is to be repaired before Unlock.
func (l *Lock) Recover(ctx context.Context) (ownerDied bool, err error) {
	status, err := l.acquire(ctx, C.ZINC_WAIT_RECOVER)
	return status == C.ZINC_OWNER_DIED, err
}

func (l *Lock) acquire(ctx context.Context, flags uint32) (status int, err error) {
	err = l.own().use(func(raw C.ZincHandle) (err error) {
		status, err = waiting(ctx, flags, func(wait *C.ZincWaitOptions) C.int32_t {
			return C.zinc_lock_acquire(raw, l.offset, wait)
		})
		return err
	})
	return status, err
}

// TryLock acquires the lock if it is free, and reports whether it did. The error is as for Lock.
func (l *Lock) TryLock() (bool, error) {
	err := l.own().use(func(raw C.ZincHandle) error {
		_, err := look(0, 0, func(wait *C.ZincWaitOptions) C.int32_t {
			return C.zinc_lock_acquire(raw, l.offset, wait)
		})
		return err
	})
	return is(err)
}

// is makes false of what timed out.
func is(err error) (bool, error) {
	if errors.Is(err, syscall.ETIMEDOUT) {
		return false, nil
	}
	return err == nil, err
}

// Unlock releases the lock; if its last holder had died, it is repaired now. The error is fs.ErrPermission if
// this value does not hold it.
func (l *Lock) Unlock() error {
	return l.told(func(raw C.ZincHandle) C.int32_t { return C.zinc_lock_release(raw, l.offset) })
}

// Repaired says that what a dead holder left is repaired, and keeps the lock.
func (l *Lock) Repaired() error {
	return l.told(func(raw C.ZincHandle) C.int32_t { return C.zinc_lock_repaired(raw, l.offset) })
}

// Abandon releases the lock without a repair, or with what it guards half done: the next one is told.
func (l *Lock) Abandon() error {
	return l.told(func(raw C.ZincHandle) C.int32_t { return C.zinc_lock_abandon(raw, l.offset) })
}

func (l *Lock) told(call func(C.ZincHandle) C.int32_t) error {
	_, err := l.own().told(call)
	return err
}

// Close ends the use of a lock with a name. One that is held is left as by a dead holder.
func (l *Lock) Close() error {
	if l != nil && !l.isPart {
		l.handle.close()
	}
	return nil
}

// An RWLock is one by name for one writer or many readers.
type RWLock struct {
	handle *handle
}

// OpenRWLock opens the lock of this name, or creates it.
func OpenRWLock(name string) (*RWLock, error) {
	h, err := primitive(name, C.ZINC_RWLOCK)
	if err != nil {
		return nil, err
	}
	return &RWLock{h}, nil
}

func (l *RWLock) own() *handle {
	if l == nil {
		return nil
	}
	return l.handle
}

// RLock begins to read, with any number of others; who wants to write goes first. The error is
// syscall.EOWNERDEAD where a writer was killed: nobody reads what is half written.
func (l *RWLock) RLock(ctx context.Context) error {
	_, err := l.wait(ctx, 0, func(raw C.ZincHandle, wait *C.ZincWaitOptions) C.int32_t {
		return C.zinc_rwlock_acquire_read(raw, C.ZINC_OWN_LOCK, wait)
	})
	return err
}

// RUnlock ends reading. The error is fs.ErrPermission if this value does not read.
func (l *RWLock) RUnlock() error {
	return l.told(func(raw C.ZincHandle) C.int32_t { return C.zinc_rwlock_release_read(raw, C.ZINC_OWN_LOCK) })
}

// Lock begins to write, alone. Errors as for [Lock.Lock].
func (l *RWLock) Lock(ctx context.Context) error {
	_, err := l.write(ctx, 0)
	return err
}

// Recover begins to write where a writer was killed, too, and reports whether one was.
func (l *RWLock) Recover(ctx context.Context) (ownerDied bool, err error) {
	status, err := l.write(ctx, C.ZINC_WAIT_RECOVER)
	return status == C.ZINC_OWNER_DIED, err
}

func (l *RWLock) write(ctx context.Context, flags uint32) (int, error) {
	return l.wait(ctx, flags, func(raw C.ZincHandle, wait *C.ZincWaitOptions) C.int32_t {
		return C.zinc_rwlock_acquire_write(raw, C.ZINC_OWN_LOCK, wait)
	})
}

func (l *RWLock) wait(
	ctx context.Context, flags uint32, call func(C.ZincHandle, *C.ZincWaitOptions) C.int32_t,
) (status int, err error) {
	err = l.own().use(func(raw C.ZincHandle) (err error) {
		status, err = waiting(ctx, flags, func(wait *C.ZincWaitOptions) C.int32_t { return call(raw, wait) })
		return err
	})
	return status, err
}

// Unlock ends writing.
func (l *RWLock) Unlock() error {
	return l.told(func(raw C.ZincHandle) C.int32_t { return C.zinc_rwlock_release_write(raw, C.ZINC_OWN_LOCK) })
}

// Abandon ends writing with what the lock guards half done: the next one is told.
func (l *RWLock) Abandon() error {
	return l.told(func(raw C.ZincHandle) C.int32_t { return C.zinc_rwlock_abandon_write(raw, C.ZINC_OWN_LOCK) })
}

func (l *RWLock) told(call func(C.ZincHandle) C.int32_t) error {
	_, err := l.own().told(call)
	return err
}

// Close ends the use of the lock. If it is held to write, it is left as by a dead holder.
func (l *RWLock) Close() error {
	l.own().close()
	return nil
}
