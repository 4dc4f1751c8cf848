package zinc_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"zinc"
)

var name = fmt.Sprintf("example-%d", os.Getpid())

func Example() {
	ctx := context.Background()
	channel, err := zinc.CreateChannel(name, 8, 4096) // 8 messages of up to 4096 bytes are kept
	if err != nil {
		log.Fatal(err)
	}
	defer channel.Close()
	reader, err := channel.Reader(0) // in another process, as a rule: after OpenChannel
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()
	loan, err := channel.Loan() // a slot of shared memory that nobody reads
	if err != nil {
		log.Fatal(err)
	}
	if _, err := loan.Publish(ctx, copy(loan.Data, "hello")); err != nil {
		log.Fatal(err)
	}
	message, err := reader.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d: %s\n", message.Number, message.Data) // where it lies
	message.Release()
	// Output: 1: hello
}

func ExampleSharedRegion() {
	region, err := zinc.Create(name, 4096)
	if err != nil {
		log.Fatal(err)
	}
	defer region.Close()
	other, err := zinc.Open(name) // in another process, as a rule
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()
	copy(region.Bytes(), "hello")
	if _, err := region.Notify(); err != nil { // what was written before is seen after the wait
		log.Fatal(err)
	}
	fmt.Println(other.Wait(1000), string(other.Bytes()[:5]))
	// Output: true hello
}

func ExampleQueue() {
	ctx := context.Background()
	queue, err := zinc.CreateQueue(name, 16, 100)
	if err != nil {
		log.Fatal(err)
	}
	defer queue.Close()
	worker, err := queue.Worker()
	if err != nil {
		log.Fatal(err)
	}
	defer worker.Close()
	for _, job := range []string{"one", "two"} {
		if _, err := queue.Send(ctx, []byte(job)); err != nil {
			log.Fatal(err)
		}
	}
	if err := queue.Shutdown(); err != nil { // for good: workers end once nothing is left
		log.Fatal(err)
	}
	for {
		task, err := worker.Take(ctx)
		if err == io.EOF {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d: %s\n", task.Number, task.Data)
		if err := task.Done(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 1: one
	// 2: two
}

func ExampleStore() {
	ctx := context.Background()
	store, err := zinc.OpenOrCreateStore(name, 1<<20, zinc.Evict)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if err := store.Put(ctx, "user 7", []byte("seven")); err != nil {
		log.Fatal(err)
	}
	object, err := store.Get(ctx, "user 7") // from any process
	if err != nil {
		log.Fatal(err)
	}
	defer object.Close()
	fmt.Println(string(object.Data))
	// Output: seven
}

func ExampleLock() {
	lock, err := zinc.OpenLock(name)
	if err != nil {
		log.Fatal(err)
	}
	defer lock.Close()
	died, err := lock.Recover(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	if died {
		fmt.Println("make whole what may be half done")
	}
	if err := lock.Unlock(); err != nil {
		log.Fatal(err)
	}
	// Output:
}
