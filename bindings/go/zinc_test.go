package zinc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

// What needs other processes, and their deaths: real ones, that are killed. A child is this program once more, with
// what it is to do in its environment.

var forever = context.Background()

func TestMain(m *testing.M) {
	if role := os.Getenv("ZINC_TEST_ROLE"); role != "" {
		child(role, os.Getenv("ZINC_TEST_NAME"))
		return
	}
	os.Exit(m.Run())
}

var count atomic.Uint32

func name() string { return fmt.Sprintf("go-%d-%d", os.Getpid(), count.Add(1)) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

type other struct {
	*exec.Cmd
	lines *bufio.Scanner
}

func start(t *testing.T, role, name string) other {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "ZINC_TEST_ROLE="+role, "ZINC_TEST_NAME="+name)
	command.Stderr = os.Stderr
	lines := bufio.NewScanner(must(command.StdoutPipe()))
	must(command.StdinPipe())
	check(command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	return other{command, lines}
}

func (o other) hear() string {
	if !o.lines.Scan() {
		panic("the child ended")
	}
	return o.lines.Text()
}

// kill is SIGKILL.
func (o other) kill() {
	check(o.Process.Kill())
	_ = o.Wait()
}

func child(role, name string) {
	switch role {
	case "region":
		region := must(Open(name))
		copy(region.Bytes()[100:], region.Bytes()[:5])
		must(region.Notify())
		fmt.Println("there")
	case "creator":
		must(Create(name, 1))
		fmt.Println("there")
	case "lock":
		check(must(OpenLock(name)).Lock(forever))
		fmt.Println("held")
	case "writes":
		check(must(OpenRWLock(name)).Lock(forever))
		fmt.Println("held")
	case "worker":
		task := must(must(must(OpenQueue(forever, name)).Worker()).Take(forever))
		fmt.Println(task.Number)
	case "sender":
		channel := must(OpenChannel(forever, name))
		for number := 0; ; number++ {
			must(channel.Send(forever, []byte(strings.Repeat(fmt.Sprintf("%8d", number), 100))))
			if number == 0 {
				fmt.Println("sends")
			}
		}
	case "reader":
		reader := must(must(OpenChannel(forever, name)).Reader(0))
		fmt.Println("reads")
		message := must(reader.Receive(forever))
		fmt.Println(message.Number, string(message.Data))
	case "store":
		store := must(OpenStore(name))
		must(store.Build(forever, "half", 100, false)).Data[0] = 1
		check(store.Put(forever, "whole", []byte("of the child")))
		fmt.Println("put")
	case "anonymous":
		region := must(FromDescriptor(3))
		region.Bytes()[0] = 7
		must(region.Notify())
	}
	_, _ = io.ReadAll(os.Stdin) // until it is killed
}

func wants(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("%v, not %v", err, target)
	}
}

func equal[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%v, not %v", got, want)
	}
}

// soon is a context that is done in a moment.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(forever, time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestTwoProcessesHaveOneRegion(t *testing.T) {
	name := name()
	options := Options{Kind: 1000, Metadata: []byte("of mine"), Contents: []byte("hello")}
	region := must(options.Create(name, 4096))
	defer region.Close()
	other := start(t, "region", name)
	equal(t, region.Wait(math.MaxUint32), true)
	equal(t, other.hear(), "there")
	equal(t, string(region.Bytes()[100:105]), "hello")
	equal(t, region.TryWait(), false)
	equal(t, string(region.Metadata()), "of mine")
	equal(t, region.Kind(), 1000)
	equal(t, region.IsCreated(), true)
	equal(t, must(region.IsAlone()), false)
	other.kill()
	equal(t, must(region.IsAlone()), true)
}

func TestErrorsAreThoseOfTheSystem(t *testing.T) {
	name := name()
	region := must(Create(name, 1))
	defer region.Close()
	_, err := Create(name, 1)
	wants(t, err, fs.ErrExist)
	_, err = Open(name + "-not")
	wants(t, err, fs.ErrNotExist)
	if !strings.Contains(err.Error(), name+"-not") {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "a/b", "a\x00b", strings.Repeat("a", MaxNameLen+1)} {
		_, err = Create(bad, 1)
		wants(t, err, syscall.EINVAL)
	}
	_, err = Create(name+"-0", 0)
	wants(t, err, syscall.EINVAL)
	_, err = OpenChannel(forever, name)
	wants(t, err, syscall.EBADMSG)
	_, err = OpenQueue(forever, name)
	wants(t, err, syscall.EBADMSG)
	_, err = OpenStore(name)
	wants(t, err, syscall.EBADMSG)
	_, err = WaitAny(forever)
	wants(t, err, syscall.EINVAL)
	_, err = region.Descriptor()
	wants(t, err, syscall.EINVAL)
}

func TestAMessageIsOfTheThreadThatFailed(t *testing.T) {
	var all sync.WaitGroup
	for number := 0; number < 8; number++ {
		all.Add(1)
		go func(name string) {
			defer all.Done()
			for i := 0; i < 500; i++ {
				if _, err := Open(name); !strings.Contains(err.Error(), name) {
					t.Error(err)
				}
			}
		}(fmt.Sprintf("nobody-%d", number))
	}
	all.Wait()
}

func TestReadsAndWritesHaveAPosition(t *testing.T) {
	region := must(Anonymous(10))
	defer region.Close()
	equal(t, must(region.Write([]byte("0123456"))), 7)
	n, err := region.Write([]byte("789ab"))
	equal(t, n, 3)
	wants(t, err, io.ErrShortWrite)
	copied := *region // shares position and region
	equal(t, must(copied.Seek(-4, io.SeekEnd)), 6)
	equal(t, string(must(io.ReadAll(region))), "6789")
	_, err = region.Read(make([]byte, 1))
	wants(t, err, io.EOF)
	for _, bad := range []struct {
		offset int64
		whence int
	}{{-1, io.SeekStart}, {11, io.SeekStart}, {1, io.SeekCurrent}, {-11, io.SeekEnd}, {math.MinInt64, io.SeekEnd},
		{math.MaxInt64, io.SeekCurrent}, {0, 3}} {
		_, err = region.Seek(bad.offset, bad.whence)
		wants(t, err, ErrInvalidOffset)
	}
	equal(t, must(region.Seek(0, io.SeekCurrent)), 10) // where it was
	_, err = region.ReadAt(make([]byte, 1), -1)
	wants(t, err, ErrInvalidOffset)
	_, err = region.WriteAt(make([]byte, 1), -1)
	wants(t, err, ErrInvalidOffset)
	n, err = region.ReadAt(make([]byte, 3), 8)
	equal(t, n, 2)
	wants(t, err, io.EOF)
	n, err = region.WriteAt([]byte("x"), 10)
	equal(t, n, 0)
	wants(t, err, io.ErrShortWrite)
	must(region.Seek(0, io.SeekStart))
	check(iotest.TestReader(region, []byte("0123456789")))
}

func TestWhatIsReadOnlyIsNotWritten(t *testing.T) {
	name := name()
	region := must((&Options{Contents: []byte("abc")}).Create(name, 3))
	defer region.Close()
	reader := must((&Options{ReadOnly: true}).Open(forever, name))
	defer reader.Close()
	equal(t, reader.IsReadOnly(), true)
	_, err := reader.WriteAt([]byte("x"), 0)
	wants(t, err, fs.ErrPermission)
	equal(t, string(reader.Bytes()), "abc")
}

func TestARegionOfAKilledCreatorMakesWay(t *testing.T) {
	name := name()
	other := start(t, "creator", name)
	other.hear()
	_, err := Create(name, 1)
	wants(t, err, fs.ErrExist)
	other.kill()
	check(must(Create(name, 1)).Close())
}

func TestADescriptorLeadsToTheSameRegion(t *testing.T) {
	region := must(Anonymous(1))
	defer region.Close()
	copied := must(syscall.Dup(must(region.Descriptor())))
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "ZINC_TEST_ROLE=anonymous")
	command.ExtraFiles = []*os.File{os.NewFile(uintptr(copied), "region")}
	check(command.Start())
	equal(t, region.Wait(math.MaxUint32), true)
	equal(t, region.Bytes()[0], 7)
	check(command.Wait())
	check(command.ExtraFiles[0].Close())
}

// within returns how many goroutines are within calls of the library now whose names begin so.
func within(call string) int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "zinc._Cfunc_zinc_"+call)
}

func TestCloseEndsTheWaitsOfOthers(t *testing.T) {
	name := name()
	region, lock, channel, queue := must(Create(name, 64)), must(OpenLock(name+"-l")), must(CreateChannel(name+"-c", 2, 8)),
		must(CreateQueue(name+"-q", 2, 8))
	holder := must(OpenLock(name + "-l"))
	check(holder.Lock(forever))
	reader, worker, store := must(channel.Reader(0)), must(queue.Worker()), must(CreateStore(name+"-s", 1<<20, Evict))
	ctx, cancel := context.WithCancel(forever)
	defer cancel()
	waits := []func() error{
		func() error { return region.WaitContext(forever) },
		func() error { return region.WaitContext(ctx) },
		func() error { _, err := WaitAny(forever, region, region); return err },
		func() error { return lock.Lock(forever) },
		func() error { _, err := reader.Receive(forever); return err },
		func() error { _, err := worker.Take(ctx); return err },
		func() error { return channel.WaitForReaders(forever, 5) },
		func() error { _, err := store.Get(forever, "nothing"); return err },
	}
	results := make(chan error)
	for _, wait := range waits {
		go func(wait func() error) { results <- wait() }(wait)
	}
	for within("") < len(waits) {
		runtime.Gosched()
	}
	closers := []io.Closer{region, lock, reader, worker, channel, store, queue, holder}
	for round := 0; round < 2; round++ { // again is no error
		for _, closer := range closers {
			check(closer.Close())
		}
	}
	for range waits {
		wants(t, <-results, io.ErrClosedPipe)
	}
	for _, wait := range waits {
		wants(t, wait(), io.ErrClosedPipe)
	}
	if region.Bytes() != nil || region.Wait(math.MaxUint32) || region.Name() != "" {
		t.Fatal("it is closed")
	}
	_, err := region.Write([]byte("x"))
	wants(t, err, io.ErrClosedPipe)
}

func TestNilAndZeroValuesActAsClosed(t *testing.T) {
	for _, region := range []*SharedRegion{nil, {}} {
		equal(t, region.Wait(0), false)
		equal(t, region.TryWait(), false)
		equal(t, len(region.Bytes()), 0)
		_, err := region.Notify()
		wants(t, err, io.ErrClosedPipe)
		_, err = region.Seek(0, io.SeekStart)
		wants(t, err, io.ErrClosedPipe)
		_, err = region.Read(nil)
		wants(t, err, io.ErrClosedPipe)
		_, err = WaitAny(forever, region)
		wants(t, err, io.ErrClosedPipe)
		wants(t, region.OwnLock().Lock(forever), io.ErrClosedPipe)
		check(region.Close())
	}
	_, err := (*Channel)(nil).Send(forever, nil)
	wants(t, err, io.ErrClosedPipe)
	_, err = (&Queue{}).Worker()
	wants(t, err, io.ErrClosedPipe)
	_, err = (&Store{}).TryGet("x")
	wants(t, err, io.ErrClosedPipe)
	_, err = (*Reader)(nil).Receive(forever)
	wants(t, err, io.ErrClosedPipe)
	check((*Store)(nil).Close())
}

func TestAContextEndsAWait(t *testing.T) {
	region := must(Create(name(), 1))
	defer region.Close()
	ctx, cancel := context.WithCancel(forever)
	done := make(chan error)
	go func() { done <- region.WaitContext(ctx) }()
	cancel()
	wants(t, <-done, context.Canceled)
	wants(t, region.WaitContext(soon(t)), context.DeadlineExceeded)
	equal(t, region.Wait(1), false)
	question := must(region.Notify())
	wants(t, region.WaitAfter(soon(t), question), context.DeadlineExceeded)
	equal(t, region.Sequence(), question)
	check(region.WaitContext(soon(t)))
	_, err := (&Options{}).Open(soon(t), region.Name()+"-not")
	wants(t, err, context.DeadlineExceeded)
}

func TestManyRegionsAreWaitedForAtOnce(t *testing.T) {
	var regions []*SharedRegion
	for i := 0; i < 5; i++ {
		regions = append(regions, must(Anonymous(1)))
		defer regions[i].Close()
	}
	go func() { must(regions[3].Notify()) }()
	if found := must(WaitAny(forever, regions...)); !slices.Equal(found, []int{3}) {
		t.Fatal(found)
	}
	_, err := WaitAny(soon(t), regions...)
	wants(t, err, context.DeadlineExceeded)
}

func TestALockOfAKilledHolderIsRecovered(t *testing.T) {
	name := name()
	lock := must(OpenLock(name))
	defer lock.Close()
	other := start(t, "lock", name)
	other.hear()
	wants(t, lock.Lock(soon(t)), context.DeadlineExceeded)
	equal(t, must(lock.TryLock()), false)
	other.kill()
	wants(t, lock.Lock(forever), syscall.EOWNERDEAD)
	equal(t, must(lock.Recover(forever)), true)
	check(lock.Abandon())
	wants(t, lock.Lock(forever), syscall.EOWNERDEAD)
	equal(t, must(lock.Recover(forever)), true)
	check(lock.Repaired())
	check(lock.Unlock())
	wants(t, lock.Unlock(), fs.ErrPermission)
	equal(t, must(lock.TryLock()), true)
	second := must(OpenLock(name))
	defer second.Close()
	check(lock.Close())
	wants(t, second.Lock(forever), syscall.EOWNERDEAD)
}

func TestLocksOfARegionExcludeItsUsers(t *testing.T) {
	region := must(Create(name(), 64))
	defer region.Close()
	second := must(Open(region.Name()))
	defer second.Close()
	check(region.OwnLock().Lock(forever))
	check(region.LockAt(16).Lock(forever))
	equal(t, must(second.OwnLock().TryLock()), false)
	equal(t, must(second.LockAt(16).TryLock()), false)
	check(region.OwnLock().Unlock())
	check(region.LockAt(16).Unlock())
	check(region.LockAt(16).Close()) // not of the region
	check(second.LockAt(16).Lock(forever))
	wants(t, second.LockAt(60).Lock(forever), syscall.EINVAL)
	check(second.LockAt(16).Unlock())
}

func TestAKilledWriterLeavesReadersTold(t *testing.T) {
	name := name()
	lock := must(OpenRWLock(name))
	defer lock.Close()
	check(lock.RLock(forever))
	check(lock.RUnlock())
	other := start(t, "writes", name)
	other.hear()
	wants(t, lock.RLock(soon(t)), context.DeadlineExceeded)
	other.kill()
	wants(t, lock.RLock(forever), syscall.EOWNERDEAD)
	equal(t, must(lock.Recover(forever)), true)
	check(lock.Unlock())
	check(lock.RLock(forever))
	check(lock.RUnlock())
	check(lock.Lock(forever))
	check(lock.Abandon())
	wants(t, lock.Lock(forever), syscall.EOWNERDEAD)
}

func TestMessagesGoToOtherProcessesInPlace(t *testing.T) {
	name := name()
	channel := must((&ChannelOptions{Slots: 4, SlotSize: 1000, Waits: true, Readers: 4, Views: 2}).Create(name))
	defer channel.Close()
	equal(t, channel.Slots(), 4)
	equal(t, channel.SlotSize(), 1000)
	others := []other{start(t, "reader", name), start(t, "reader", name)}
	for _, other := range others {
		equal(t, other.hear(), "reads")
	}
	check(channel.WaitForReaders(forever, 2))
	loan := must(channel.Loan())
	copy(loan.Data, "one")
	loan.Tag = 5
	_, err := loan.Publish(forever, 1001)
	wants(t, err, syscall.EINVAL)
	equal(t, must(loan.Publish(forever, 3)), 1)
	_, err = loan.Publish(forever, 1)
	wants(t, err, syscall.EINVAL)
	loan.Discard() // no error
	for _, other := range others {
		equal(t, other.hear(), "1 one")
	}
	// They take no more: the channel fills up, and who is killed holds nobody up.
	for number := uint64(2); number <= 5; number++ {
		equal(t, must(channel.Send(forever, []byte("more"))), number)
	}
	equal(t, must(channel.TrySend([]byte("more"))), false)
	loan = must(channel.Loan())
	_, err = loan.Publish(soon(t), 4)
	wants(t, err, context.DeadlineExceeded)
	for _, other := range others {
		other.kill()
	}
	equal(t, must(loan.Publish(forever, 4)), 6)
	_, err = channel.Send(forever, make([]byte, 1001))
	wants(t, err, syscall.EINVAL)
}

func TestAKilledSenderTearsNoMessage(t *testing.T) {
	name := name()
	channel := must(CreateChannel(name, 8, 1000))
	defer channel.Close()
	for i := 0; i < 5; i++ {
		reader := must(channel.Reader(0))
		other := start(t, "sender", name)
		other.hear()
		receive := func() error {
			message, err := reader.Receive(forever)
			if err != nil {
				return err
			}
			defer message.Release()
			if text := string(message.Data); text != strings.Repeat(text[:8], 100) {
				t.Fatal(text)
			}
			return nil
		}
		for j := 0; j < 100; j++ {
			check(receive())
		}
		other.kill()
		err := receive()
		for ; err == nil; err = receive() {
		}
		wants(t, err, io.EOF) // nobody writes
		check(reader.Close())
	}
}

func TestAReaderHoldsNoMoreThanItMay(t *testing.T) {
	channel := must((&ChannelOptions{Slots: 4, SlotSize: 8, Readers: 2, Views: 2}).Anonymous())
	defer channel.Close()
	same := must(ChannelFromDescriptor(must(channel.Descriptor())))
	defer same.Close()
	reader := must(same.Reader(0))
	defer reader.Close()
	equal(t, must(reader.Latest()), nil)
	for number := byte(0); number < 3; number++ {
		must(channel.Send(forever, []byte{number}))
	}
	newest := must(reader.Latest())
	equal(t, newest.Number, 3)
	equal(t, newest.Data[0], 2)
	equal(t, reader.Lost(), 2)
	if age := time.Since(newest.Time); age < 0 || age > time.Hour {
		t.Fatal(newest.Time)
	}
	must(channel.Send(forever, []byte{3}))
	next := must(reader.Receive(forever))
	must(channel.Send(forever, []byte{4}))
	_, err := reader.TryReceive()
	wants(t, err, syscall.ENOBUFS)
	done := make(chan bool)
	go func() { newest.Release(); newest.Release(); close(done) }() // in any goroutine, once
	<-done
	equal(t, must(reader.TryReceive()).Data[0], 4)
	equal(t, next.Data[0], 3)
	check(reader.Close())
	next.Release() // no harm
}

func TestWhatAKilledWorkerHadGoesToAnother(t *testing.T) {
	name := name()
	queue := must((&QueueOptions{Capacity: 4, SlotSize: 10, Workers: 3, Views: 2}).Create(name))
	defer queue.Close()
	equal(t, must(queue.Send(forever, []byte("job"))), 1)
	other := start(t, "worker", name)
	equal(t, other.hear(), "1")
	worker := must(queue.Worker())
	defer worker.Close()
	equal(t, must(worker.TryTake()), nil)
	equal(t, must(queue.Info()).Held, 1)
	wants(t, queue.Join(soon(t)), context.DeadlineExceeded)
	other.kill()
	task := must(worker.Take(forever))
	equal(t, task.Number, 1)
	equal(t, task.Redelivered, 1)
	equal(t, string(task.Data), "job")
	check(task.GiveBack())
	stale := task
	task = must(worker.Take(forever))
	wants(t, stale.Done(), syscall.EINVAL) // though the worker has it, once more
	equal(t, task.Redelivered, 2)
	check(task.Done())
	wants(t, task.GiveBack(), syscall.EINVAL)
	check(queue.Join(forever))
	check(queue.Shutdown())
	check(queue.Shutdown())
	equal(t, must(queue.Info()).IsShutDown, true)
	_, err := queue.Send(forever, []byte("late"))
	wants(t, err, syscall.EPIPE)
	_, err = worker.Take(forever)
	wants(t, err, io.EOF)
	_, err = OpenChannel(forever, name)
	wants(t, err, syscall.EINVAL)
}

func TestAtMostOnceAKilledWorkersTaskIsLost(t *testing.T) {
	name := name()
	queue := must((&QueueOptions{Capacity: 4, SlotSize: 10, AtMostOnce: true}).Create(name))
	defer queue.Close()
	must(queue.Send(forever, []byte("job")))
	other := start(t, "worker", name)
	other.hear()
	other.kill()
	check(queue.Join(forever))
	worker := must(queue.Worker())
	defer worker.Close()
	equal(t, must(worker.TryTake()), nil)
}

func TestAFullQueueLetsItsSenderWait(t *testing.T) {
	queue := must((&QueueOptions{Capacity: 1, SlotSize: 10, Loans: 2}).Anonymous())
	defer queue.Close()
	worker := must(queue.Worker())
	defer worker.Close()
	must(queue.Send(forever, []byte("one")))
	equal(t, must(queue.TrySend([]byte("two"))), false)
	sent := make(chan uint64)
	go func() { sent <- must(queue.Send(forever, []byte("two"))) }()
	for within("writer_wait") == 0 {
		runtime.Gosched()
	}
	equal(t, must(queue.TrySend([]byte("three"))), false) // not held up by the one that waits
	check(must(worker.Take(forever)).Done())
	equal(t, <-sent, 2)
}

func TestAStoreHasWhatOthersPutAndNotWhatTheyLeftHalf(t *testing.T) {
	name := name()
	store := must(CreateStore(name, 1<<20, Fail))
	defer store.Close()
	other := start(t, "store", name)
	object := must(store.Get(forever, "whole"))
	defer object.Close()
	equal(t, other.hear(), "put")
	equal(t, string(object.Data), "of the child")
	equal(t, must(store.Find("half")), nil)
	other.kill()
	check(store.Insert(forever, "half", []byte("other")))
	wants(t, store.Insert(forever, "half", []byte("another")), fs.ErrExist)
	check(store.Put(forever, "half", []byte("third")))
	var keys []string
	for _, entry := range must(store.List()) {
		keys = append(keys, entry.Key)
	}
	if !slices.Equal(keys, []string{"whole", "half"}) {
		t.Fatal(keys)
	}
	equal(t, must(store.Pin("half", true)), true)
	equal(t, must(store.Find("half")).IsPinned, true)
	taken := must(store.Take("half"))
	equal(t, string(taken.Data), "third")
	check(taken.Close())
	equal(t, must(store.Take("half")), nil)
	equal(t, must(store.Delete("half")), false)
	equal(t, must(store.TryGet("half")), nil)
	_, err := store.Get(soon(t), "half")
	wants(t, err, context.DeadlineExceeded)
	wants(t, store.Put(forever, "large", make([]byte, 1<<20)), syscall.ENOSPC)
	wants(t, store.Put(forever, "none", nil), syscall.EINVAL)
	wants(t, store.Put(forever, strings.Repeat("x", 177), []byte("x")), syscall.EINVAL)
	check(store.Put(forever, "", []byte("of no key")))
	building := must(store.Build(forever, "built", 4, false))
	copy(building.Data, "here")
	check(building.Seal())
	wants(t, building.Seal(), io.ErrClosedPipe)
	building.Abort() // no effect
	built := must(store.TryGet("built"))
	equal(t, string(built.Data), "here")
	check(built.Close())
	before := must(store.Info())
	must(store.Build(forever, "given up", 4, false)).Abort()
	equal(t, must(store.Info()), before)
	equal(t, before.Objects, 3)
	check(store.Close())
	equal(t, string(object.Data), "of the child") // who has it keeps it
}

func TestAFullStoreThatWaitsLetsItsWriterWait(t *testing.T) {
	store := must(CreateStore(name(), 12<<12, Await))
	defer store.Close()
	large := make([]byte, 9<<12)
	check(store.Put(forever, "one", large))
	wants(t, store.Put(soon(t), "two", large), context.DeadlineExceeded)
	put := make(chan error)
	go func() { put <- store.Put(forever, "two", large) }()
	equal(t, must(store.Delete("one")), true)
	check(<-put)
}

func TestNamesGoAsTheyAreTold(t *testing.T) {
	name := name()
	region := must((&Options{Persistent: true}).Create(name, 1))
	equal(t, region.IsLinked(), true)
	check(region.Close())
	region = must(Open(name))
	defer region.Close()
	_, err := OpenOrCreate(name, 2)
	wants(t, err, fs.ErrExist)
	same := must(OpenOrCreate(name, 1))
	defer same.Close()
	equal(t, same.ID(), region.ID())
	check(Unlink(name))
	equal(t, region.IsLinked(), false)
	wants(t, region.Unlink(), fs.ErrNotExist)
	wants(t, Unlink(name), fs.ErrNotExist)
}

func TestGoroutinesShareEverything(t *testing.T) {
	const senders, each = 8, 50
	for round := 0; round < 5; round++ {
		queue := must((&QueueOptions{Capacity: 8, SlotSize: 8, Loans: senders, Views: senders}).Anonymous())
		worker := must(queue.Worker())
		var all sync.WaitGroup
		var taken atomic.Uint32
		var numbers sync.Map
		begin := make(chan bool)
		for i := 0; i < senders; i++ {
			all.Add(2)
			go func() {
				defer all.Done()
				<-begin
				for j := 0; j < each; j++ {
					must(queue.Send(forever, []byte{byte(i), byte(j)}))
				}
			}()
			go func() {
				defer all.Done()
				<-begin
				for {
					task, err := worker.Take(forever)
					if err == io.EOF {
						return
					}
					check(err)
					if _, twice := numbers.LoadOrStore(string(task.Data), true); twice {
						t.Error("twice: ", task.Data)
					}
					check(task.Done())
					if taken.Add(1) == senders*each {
						check(queue.Shutdown())
					}
				}
			}()
		}
		close(begin)
		all.Wait()
		check(worker.Close())
		check(queue.Close())
	}
}
