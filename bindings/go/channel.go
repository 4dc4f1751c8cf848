package zinc

// #include "zincgo.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// ChannelOptions say how large a channel is, and for how many; zeros are the numbers in brackets.
type ChannelOptions struct {
	Slots    uint32  // messages that are kept: a power of two, or rounded up to one; at least 1
	SlotSize uint    // bytes of a message, at most; at least 1
	Waits    bool    // a writer waits for the slowest reader; else it displaces the oldest message
	Writers  uint32  // for so many there is always a slot (4)
	Loans    uint32  // of each writer at once (1)
	Readers  uint32  // for so many there is always a slot (8)
	Views    uint32  // messages that each reader may hold at once, at most 16 (8)
	Region   Options // rights, and whether it is persistent or replaces another; without Kind and Contents
}

func (o *ChannelOptions) flags() C.uint32_t {
	if o.Waits {
		return C.ZINC_CHANNEL_WAIT
	}
	return 0
}

// Create creates the channel. The error is syscall.EINVAL for numbers that can't be; else as for
// [Options.Create].
func (o *ChannelOptions) Create(name string) (*Channel, error) {
	return channelOf(o.create(name, o.flags()))
}

// Anonymous creates a channel without a name, which travels as its Descriptor.
func (o *ChannelOptions) Anonymous() (*Channel, error) { return channelOf(o.anonymous(o.flags())) }

func (o *ChannelOptions) sizes(flags C.uint32_t) C.ZincChannelOptions {
	return C.ZincChannelOptions{
		size: C.sizeof_ZincChannelOptions, payload: C.uint64_t(o.SlotSize), messages: C.uint32_t(o.Slots),
		flags: flags, writers: C.uint32_t(o.Writers), loans: C.uint32_t(o.Loans),
		readers: C.uint32_t(o.Readers), views: C.uint32_t(o.Views),
	}
}

func (o *ChannelOptions) create(name string, flags C.uint32_t) (*handle, error) {
	return named(name, func(name *C.char) (*handle, error) {
		return o.Region.with(func(options *C.ZincOptions) (*handle, error) {
			sizes := o.sizes(flags)
			return attach(func(out *C.ZincHandle) C.int32_t {
				return C.zinc_channel_create(name, &sizes, options, out)
			})
		})
	})
}

func (o *ChannelOptions) anonymous(flags C.uint32_t) (*handle, error) {
	return o.Region.with(func(options *C.ZincOptions) (*handle, error) {
		sizes := o.sizes(flags)
		return attach(func(out *C.ZincHandle) C.int32_t {
			return C.zinc_channel_create_anonymous(&sizes, options, out)
		})
	})
}

// A Channel hands messages over, in place, from any number of writers to any number of readers. The value
// writes, from its first loan on. Whoever is killed, at whatever moment, tears no message and holds nobody up.
type Channel struct {
	writing
}

// CreateChannel creates a channel that keeps so many messages of up to slotSize bytes each.
// [ChannelOptions.Create] says more.
func CreateChannel(name string, slots uint32, slotSize uint) (*Channel, error) {
	return (&ChannelOptions{Slots: slots, SlotSize: slotSize}).Create(name)
}

// OpenChannel opens the channel of this name, and waits for it to be there as long as the context lasts. The
// error is syscall.EBADMSG if what has the name is none, and syscall.EINVAL if it is a queue.
func OpenChannel(ctx context.Context, name string) (*Channel, error) {
	return channelOf((*Options)(nil).await(ctx, name))
}

// ChannelFromDescriptor opens a channel without a name by its descriptor, which stays the caller's.
func ChannelFromDescriptor(descriptor int) (*Channel, error) {
	return channelOf((*Options)(nil).fromDescriptor(descriptor))
}

func channelOf(h *handle, err error) (*Channel, error) {
	channel := &Channel{}
	if err := channel.attach(h, err, false); err != nil {
		return nil, err
	}
	return channel, nil
}

// Loan takes a slot on loan. It holds whatever it held before. The error is syscall.ENOBUFS if more write, or
// hold loans and messages, than the channel was made for, and syscall.EUSERS if all 120 seats are taken.
func (c *Channel) Loan() (*Loan, error) { return c.own().loan() }

// Send sends a message, with one copy, and returns its number, from 1. Where the channel waits for readers,
// it does so as long as the context lasts. The error is syscall.EINVAL for more bytes than a message may
// have; else as for Loan.
func (c *Channel) Send(ctx context.Context, bytes []byte) (uint64, error) {
	return c.own().send(ctx, bytes)
}

// TrySend sends a message if there is room for it now, and reports whether there was.
func (c *Channel) TrySend(bytes []byte) (bool, error) { return c.own().trySend(bytes) }

func (c *Channel) own() *writing {
	if c == nil {
		return nil
	}
	return &c.writing
}

// Reader reads from here on, and so many messages back as far as they are kept, on a seat of its own: it does
// not need the channel any more. The error is fs.ErrNotExist if the channel has lost its name, and
// syscall.EUSERS if all seats are taken.
func (c *Channel) Reader(history uint64) (*Reader, error) {
	h, err := c.own().again()
	if err != nil {
		return nil, err
	}
	reader := &Reader{handle: h}
	if _, err := told(func() C.int32_t {
		return C.zinc_reader_begin(h.raw, C.uint64_t(history), &reader.raw)
	}); err != nil {
		h.close()
		return nil, err
	}
	h.end = func() { C.zinc_reader_end(reader.raw) }
	return reader, nil
}

// WaitForReaders waits until so many who live read the channel.
func (c *Channel) WaitForReaders(ctx context.Context, count uint32) error {
	return c.own().use(func(raw C.ZincHandle) error {
		_, err := waiting(ctx, 0, func(wait *C.ZincWaitOptions) C.int32_t {
			return C.zinc_channel_wait_for_readers(raw, C.uint32_t(count), wait)
		})
		return err
	})
}

// Slots returns how many messages are kept.
func (c *Channel) Slots() uint32 { return uint32(c.own().info().messages) }

// SlotSize returns how many bytes a message has at most.
func (c *Channel) SlotSize() uint { return uint(c.own().info().payload) }

// Newest returns the number of the newest message; 0 if there is none.
func (c *Channel) Newest() uint64 { return uint64(c.own().info().newest) }

// Name returns the name, "" for a channel without one.
func (c *Channel) Name() string { return c.own().held().name() }

// Descriptor returns the descriptor of a channel without a name, to be handed on; it stays the channel's.
func (c *Channel) Descriptor() (int, error) { return c.own().held().descriptor() }

// Unlink removes the name: who has the channel goes on, and nobody comes.
func (c *Channel) Unlink() error { return c.own().held().unlink() }

// Close gives loans back, and detaches.
func (c *Channel) Close() error {
	c.own().held().close()
	return nil
}

// A writing is the side of a channel or a queue that writes. It sits down at its first loan.
type writing struct {
	handle *handle
	mu     sync.Mutex // of the writer, which one thread at a time may use, but for its waits
	writer C.ZincWriter
}

func (w *writing) held() *handle {
	if w == nil {
		return nil
	}
	return w.handle
}

func (w *writing) use(body func(C.ZincHandle) error) error { return w.held().use(body) }

// attach takes a handle if it is what was asked for, and closes it else.
func (w *writing) attach(h *handle, err error, isQueue bool) error {
	if err != nil {
		return err
	}
	info, err := examine(h.raw)
	if err == nil && (info.flags&C.ZINC_QUEUE != 0) != isQueue {
		what := map[bool]string{false: "a channel whose messages go to all", true: "a queue"}
		err = &Error{syscall.EINVAL, fmt.Sprintf("open %q: it is %s, not %s", h.name(), what[!isQueue], what[isQueue])}
	}
	if err != nil {
		h.close()
		return err
	}
	h.end = func() { C.zinc_writer_end(w.writer) }
	w.handle = h
	return nil
}

func examine(raw C.ZincHandle) (C.ZincChannelInfo, error) {
	info := C.ZincChannelInfo{size: C.sizeof_ZincChannelInfo}
	_, err := told(func() C.int32_t { return C.zinc_channel_examine(raw, &info) })
	return info, err
}

func (w *writing) info() (info C.ZincChannelInfo) {
	_ = w.use(func(raw C.ZincHandle) (err error) {
		info, err = examine(raw)
		return err
	})
	return info
}

// again attaches to the same region once more, for a seat of its own.
func (w *writing) again() (*handle, error) {
	h := w.held()
	if err := h.begin(); err != nil {
		return nil, err
	}
	defer h.mu.RUnlock()
	if h.name() == "" {
		descriptor, err := h.descriptor()
		if err != nil {
			return nil, err
		}
		return (*Options)(nil).fromDescriptor(descriptor)
	}
	other, err := (&Options{AnyUser: true}).open(h.name())
	if err == nil && other.id() != h.id() {
		other.close()
		return nil, &Error{syscall.ENOENT, "it has lost its name, which is another's by now"}
	}
	return other, err
}

// with calls the library with the writer, one goroutine at a time.
func (w *writing) with(raw C.ZincHandle, call func() C.int32_t) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writer == nil {
		var writer C.ZincWriter
		if _, err := told(func() C.int32_t { return C.zinc_writer_begin(raw, &writer) }); err != nil {
			return err
		}
		w.writer = writer // not by C, so that the race detector sees it
	}
	_, err := told(call)
	return err
}

func (w *writing) loan() (*Loan, error) {
	loan := &Loan{writing: w}
	err := w.use(func(raw C.ZincHandle) error {
		return w.with(raw, func() C.int32_t { return C.zinc_writer_loan(w.writer, &loan.raw) })
	})
	if err != nil {
		return nil, err
	}
	loan.Data = unsafe.Slice((*byte)(loan.raw.data), int(loan.raw.capacity))
	return loan, nil
}

func (w *writing) filled(bytes []byte) (*Loan, error) {
	loan, err := w.loan()
	if err != nil {
		return nil, err
	}
	if len(bytes) > len(loan.Data) {
		message := fmt.Sprintf("send %d bytes: a message has %d at most", len(bytes), len(loan.Data))
		loan.Discard()
		return nil, &Error{syscall.EINVAL, message}
	}
	err = w.use(func(C.ZincHandle) error { // so that nobody closes it meanwhile
		copy(loan.Data, bytes)
		return nil
	})
	return loan, err
}

func (w *writing) send(ctx context.Context, bytes []byte) (uint64, error) {
	loan, err := w.filled(bytes)
	if err != nil {
		return 0, err
	}
	defer loan.Discard()
	return loan.Publish(ctx, len(bytes))
}

func (w *writing) trySend(bytes []byte) (bool, error) {
	loan, err := w.filled(bytes)
	if err != nil {
		return false, err
	}
	defer loan.Discard()
	return loan.TryPublish(len(bytes))
}

// A Loan is a slot to fill. One goroutine at a time uses it.
type Loan struct {
	Data    []byte // where readers will read it, until it is published or discarded; nil then
	Tag     uint64 // the writer's to say
	writing *writing
	raw     C.ZincLoan
}

// Publish publishes the first length bytes, and returns the message's number. Where the channel or queue waits
// for who reads, it does so as long as the context lasts; after the context's error the loan stays as it is.
// The error is syscall.EINVAL for more bytes than it has, or if it is published already; of a queue
// syscall.EPIPE once that is closed.
func (l *Loan) Publish(ctx context.Context, length int) (uint64, error) {
	for {
		number, err := l.publish(length)
		if !errors.Is(err, syscall.ETIMEDOUT) {
			return number, err
		}
		w := l.writing
		err = w.use(func(C.ZincHandle) error { // any thread may wait
			_, err := waiting(ctx, 0, func(wait *C.ZincWaitOptions) C.int32_t {
				return C.zinc_writer_wait(w.writer, wait)
			})
			return err
		})
		if err != nil {
			return 0, err
		}
	}
}

// TryPublish publishes the first length bytes if there is room now, and reports whether there was; else the
// loan stays as it is.
func (l *Loan) TryPublish(length int) (bool, error) {
	_, err := l.publish(length)
	return is(err)
}

func (l *Loan) publish(length int) (uint64, error) {
	if length < 0 || length > len(l.Data) {
		return 0, &Error{syscall.EINVAL, fmt.Sprintf("publish %d bytes of a loan of %d", length, len(l.Data))}
	}
	head := C.ZincMessageHead{
		length: C.uint64_t(length), time: C.uint64_t(time.Now().UnixNano()), tag: C.uint64_t(l.Tag),
	}
	err := l.writing.use(func(raw C.ZincHandle) error {
		return l.writing.with(raw, func() C.int32_t {
			wait := C.zincgo_wait(0, 0)
			return C.zinc_writer_publish(l.writing.writer, &l.raw, &head, &wait)
		})
	})
	if err == nil {
		l.Data = nil
	}
	return uint64(head.number), err
}

// Discard gives the loan back as it is, unless it is published.
func (l *Loan) Discard() {
	if l.Data == nil {
		return
	}
	l.Data = nil
	_ = l.writing.use(func(raw C.ZincHandle) error {
		return l.writing.with(raw, func() C.int32_t { return C.zinc_writer_discard(l.writing.writer, &l.raw) })
	})
}

// A Reader reads a channel. Goroutines that receive at the same time take turns.
type Reader struct {
	handle *handle
	mu     sync.Mutex // one thread at a time receives
	raw    C.ZincReader
}

func (r *Reader) own() *handle {
	if r == nil {
		return nil
	}
	return r.handle
}

// Receive receives the next message, which stays as it is until it is released. The error is the context's,
// io.EOF once somebody has written and nobody is left who does, and syscall.ENOBUFS if the reader holds as
// many messages as it may.
func (r *Reader) Receive(ctx context.Context) (*Message, error) {
	message, err := r.receive(func(call func(*C.ZincWaitOptions) C.int32_t) (int, error) {
		return waiting(ctx, C.ZINC_WAIT_UNTIL_GONE, call)
	}, false)
	if errors.Is(err, syscall.EPIPE) {
		err = io.EOF
	}
	return message, err
}

// TryReceive receives the next message if there is one; else it returns nil.
func (r *Reader) TryReceive() (*Message, error) { return r.try(false) }

// Latest receives the newest message, if this reader has not had it; else it returns nil. Those before it
// count as lost.
func (r *Reader) Latest() (*Message, error) { return r.try(true) }

func (r *Reader) try(skips bool) (*Message, error) {
	message, err := r.receive(func(call func(*C.ZincWaitOptions) C.int32_t) (int, error) {
		return look(0, 0, call)
	}, skips)
	if errors.Is(err, syscall.ETIMEDOUT) {
		return nil, nil
	}
	return message, err
}

func (r *Reader) receive(
	how func(func(*C.ZincWaitOptions) C.int32_t) (int, error), skips bool,
) (message *Message, err error) {
	err = r.own().use(func(C.ZincHandle) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if skips {
			C.zinc_reader_skip(r.raw)
		}
		received := &Message{reader: r}
		_, err := how(func(wait *C.ZincWaitOptions) C.int32_t {
			return C.zinc_reader_receive(r.raw, &received.raw, wait)
		})
		if err == nil {
			head := received.raw.head
			received.Number, received.Tag, received.Time = uint64(head.number), uint64(head.tag), since1970(head.time)
			received.Data = unsafe.Slice((*byte)(received.raw.data), int(head.length))
			message = received
		}
		return err
	})
	return message, err
}

// Lost returns how many messages were displaced before this reader came to them, or passed by.
func (r *Reader) Lost() (lost uint64) {
	_ = r.own().use(func(C.ZincHandle) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		lost = uint64(C.zinc_reader_lost(r.raw))
		return nil
	})
	return lost
}

// Close gives all messages back, and detaches: writers wait for it no more.
func (r *Reader) Close() error {
	r.own().close()
	return nil
}

// A Message is one that a reader holds, where it lies in shared memory.
type Message struct {
	Number uint64    // from 1, without gaps
	Tag    uint64    // the writer's to say
	Time   time.Time // when it was published, as the writer said
	Data   []byte    // to be read, until Release or the reader's Close; a write is a fault

	reader     *Reader
	raw        C.ZincMessage
	isReleased atomic.Bool
}

// Release gives the message back. Any goroutine may, and again is no error.
func (m *Message) Release() {
	if m == nil || !m.isReleased.CompareAndSwap(false, true) {
		return
	}
	_ = m.reader.own().use(func(C.ZincHandle) error {
		C.zinc_reader_release(m.reader.raw, &m.raw)
		return nil
	})
}
