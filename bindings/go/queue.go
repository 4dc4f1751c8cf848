package zinc

// #include "zincgo.h"
import "C"

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// QueueOptions say how large a queue is, and for how many; zeros are the numbers in brackets.
type QueueOptions struct {
	Capacity   uint32  // messages that may wait; at least 1
	SlotSize   uint    // bytes of a message, at most; at least 1
	AtMostOnce bool    // what a worker had when it was killed goes to nobody; else to another one
	Writers    uint32  // for so many there is always a slot (4)
	Loans      uint32  // of each writer at once (1)
	Workers    uint32  // for so many there is always a slot (8)
	Views      uint32  // messages that each worker may be at work on at once, at most 1024 (8)
	Region     Options // as of ChannelOptions
}

func (o *QueueOptions) channel() (*ChannelOptions, C.uint32_t) {
	flags := C.uint32_t(C.ZINC_QUEUE)
	if o.AtMostOnce {
		flags |= C.ZINC_QUEUE_AT_MOST_ONCE
	}
	return &ChannelOptions{
		Slots: o.Capacity, SlotSize: o.SlotSize, Writers: o.Writers, Loans: o.Loans, Readers: o.Workers,
		Views: o.Views, Region: o.Region,
	}, flags
}

// Create creates the queue. Errors as for [ChannelOptions.Create].
func (o *QueueOptions) Create(name string) (*Queue, error) {
	channel, flags := o.channel()
	return queueOf(channel.create(name, flags))
}

// Anonymous creates a queue without a name, which travels as its Descriptor.
func (o *QueueOptions) Anonymous() (*Queue, error) {
	channel, flags := o.channel()
	return queueOf(channel.anonymous(flags))
}

// A Queue hands each message to exactly one of those who work. The value writes, from its first loan on. What a
// worker was at work on when it was killed goes to another one.
type Queue struct {
	writing
}

// CreateQueue creates a queue in which so many messages wait at most, of up to slotSize bytes each.
// [QueueOptions.Create] says more.
func CreateQueue(name string, capacity uint32, slotSize uint) (*Queue, error) {
	return (&QueueOptions{Capacity: capacity, SlotSize: slotSize}).Create(name)
}

// OpenQueue opens the queue of this name, and waits for it to be there as long as the context lasts. The error
// is syscall.EBADMSG if what has the name is none, and syscall.EINVAL if it is another channel.
func OpenQueue(ctx context.Context, name string) (*Queue, error) {
	return queueOf((*Options)(nil).await(ctx, name))
}

// QueueFromDescriptor opens a queue without a name by its descriptor, which stays the caller's.
func QueueFromDescriptor(descriptor int) (*Queue, error) {
	return queueOf((*Options)(nil).fromDescriptor(descriptor))
}

func queueOf(h *handle, err error) (*Queue, error) {
	queue := &Queue{}
	if err := queue.attach(h, err, true); err != nil {
		return nil, err
	}
	return queue, nil
}

func (q *Queue) own() *writing {
	if q == nil {
		return nil
	}
	return &q.writing
}

// Loan takes a slot on loan, as [Channel.Loan]; it waits for workers as it is published.
func (q *Queue) Loan() (*Loan, error) { return q.own().loan() }

// Send sends a message, with one copy, and returns its number; it waits for workers as long as the context
// lasts. The error is syscall.EPIPE once the queue is shut down; else as for [Channel.Send].
func (q *Queue) Send(ctx context.Context, bytes []byte) (uint64, error) {
	return q.own().send(ctx, bytes)
}

// TrySend sends a message if there is room for it now, and reports whether there was.
func (q *Queue) TrySend(bytes []byte) (bool, error) { return q.own().trySend(bytes) }

// Worker takes messages from here on, on a seat of its own: it does not need this value any more. Errors as for
// [Channel.Reader].
func (q *Queue) Worker() (*Worker, error) {
	h, err := q.own().again()
	if err != nil {
		return nil, err
	}
	worker := &Worker{handle: h}
	if _, err := told(func() C.int32_t { return C.zinc_worker_begin(h.raw, &worker.raw) }); err != nil {
		h.close()
		return nil, err
	}
	h.end = func() { C.zinc_worker_end(worker.raw) }
	return worker, nil
}

// Shutdown closes the queue for good, for all: who sends gets syscall.EPIPE, and workers io.EOF once nothing is
// left. Again is no error.
func (q *Queue) Shutdown() error {
	_, err := q.own().held().told(func(raw C.ZincHandle) C.int32_t { return C.zinc_queue_close(raw) })
	return err
}

// Join waits until all messages that were sent are done.
func (q *Queue) Join(ctx context.Context) error {
	return q.own().use(func(raw C.ZincHandle) error {
		_, err := waiting(ctx, 0, func(wait *C.ZincWaitOptions) C.int32_t { return C.zinc_queue_join(raw, wait) })
		return err
	})
}

// QueueInfo is what can be told of a queue. While others go on, each number is of another moment.
type QueueInfo struct {
	Waiting    uint64 // messages that nobody has taken
	Held       uint64 // that somebody is at work on, or was and was killed
	Left       uint64 // that somebody was, or gave back, and that wait for another one
	IsShutDown bool
}

// Info tells how many messages wait, and are at work on.
func (q *Queue) Info() (QueueInfo, error) {
	info := C.ZincQueueInfo{size: C.sizeof_ZincQueueInfo}
	_, err := q.own().held().told(func(raw C.ZincHandle) C.int32_t { return C.zinc_queue_examine(raw, &info) })
	return QueueInfo{uint64(info.waiting), uint64(info.held), uint64(info.left), info.is_closed == 1}, err
}

// Capacity returns how many messages may wait.
func (q *Queue) Capacity() uint32 { return uint32(q.own().info().messages) }

// SlotSize returns how many bytes a message has at most.
func (q *Queue) SlotSize() uint { return uint(q.own().info().payload) }

// Name returns the name, "" for a queue without one.
func (q *Queue) Name() string { return q.own().held().name() }

// Descriptor returns the descriptor of a queue without a name, to be handed on; it stays the queue's.
func (q *Queue) Descriptor() (int, error) { return q.own().held().descriptor() }

// Unlink removes the name: who has the queue goes on, and nobody comes.
func (q *Queue) Unlink() error { return q.own().held().unlink() }

// Close gives loans back, and detaches; the queue goes on for others. See Shutdown.
func (q *Queue) Close() error {
	q.own().held().close()
	return nil
}

// A Worker takes messages of a queue. What it has not done when it is closed, or its process is killed, goes to
// another worker.
type Worker struct {
	handle *handle
	mu     sync.Mutex // one thread at a time takes
	raw    C.ZincWorker
}

func (w *Worker) own() *handle {
	if w == nil {
		return nil
	}
	return w.handle
}

// Take takes the next message. The error is the context's, io.EOF once the queue is shut down and nothing is
// left, and syscall.ENOBUFS if the worker holds as many messages as it may.
func (w *Worker) Take(ctx context.Context) (*Task, error) {
	for {
		task, err := w.TryTake()
		if task != nil || err != nil {
			return task, err
		}
		err = w.own().use(func(C.ZincHandle) error {
			_, err := waiting(ctx, 0, func(wait *C.ZincWaitOptions) C.int32_t {
				return C.zinc_worker_wait(w.raw, wait) // in any thread
			})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
}

// TryTake takes the next message if there is one; else it returns nil.
func (w *Worker) TryTake() (task *Task, err error) {
	taken := &Task{worker: w}
	err = w.own().use(func(C.ZincHandle) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		_, err := look(0, 0, func(wait *C.ZincWaitOptions) C.int32_t {
			return C.zinc_worker_take(w.raw, &taken.raw, wait)
		})
		return err
	})
	switch {
	case errors.Is(err, syscall.EPIPE):
		return nil, io.EOF
	case errors.Is(err, syscall.ETIMEDOUT):
		return nil, nil
	case err != nil:
		return nil, err
	}
	head := taken.raw.head
	taken.Number, taken.Tag, taken.Time = uint64(head.number), uint64(head.tag), since1970(head.time)
	taken.Redelivered = uint32(taken.raw.redelivered)
	taken.Data = unsafe.Slice((*byte)(taken.raw.data), int(head.length))
	return taken, nil
}

// Close leaves all that is not done to other workers, and detaches.
func (w *Worker) Close() error {
	w.own().close()
	return nil
}

// A Task is a message that a worker is at work on, where it lies.
type Task struct {
	Number      uint64    // from 1
	Tag         uint64    // the writer's to say
	Time        time.Time // when it was published, as the writer said
	Redelivered uint32    // how many had it before, and were killed or gave it back; 7 for more, too
	Data        []byte    // to be read, until it is over or the worker is closed; a write is a fault

	worker *Worker
	raw    C.ZincTask
	isOver atomic.Bool
}

// Done says that it is done: nobody gets it again. The error is syscall.EINVAL if it is over already.
func (t *Task) Done() error {
	return t.over(func() C.int32_t { return C.zinc_worker_done(t.worker.raw, &t.raw) })
}

// GiveBack gives it back, undone, to others; to this worker only once others have had 20 ms for it. The error
// is syscall.EINVAL if it is over already.
func (t *Task) GiveBack() error {
	return t.over(func() C.int32_t { return C.zinc_worker_give_back(t.worker.raw, &t.raw) })
}

func (t *Task) over(call func() C.int32_t) error {
	if !t.isOver.CompareAndSwap(false, true) {
		return &Error{syscall.EINVAL, "the task is done, or given back, already"}
	}
	_, err := t.worker.own().told(func(C.ZincHandle) C.int32_t { return call() })
	return err
}
