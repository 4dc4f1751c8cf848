// Receive prints a channel's messages, of a number each: receive NAME TIMES. It begins before the sender or after.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"strconv"

	"zinc"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	if len(os.Args) != 3 {
		return fmt.Errorf("%s NAME TIMES", os.Args[0])
	}
	times, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	channel, err := zinc.OpenChannel(ctx, os.Args[1]) // waits for ever, if need be
	if err != nil {
		return err
	}
	defer channel.Close()
	reader, err := channel.Reader(0)
	if err != nil {
		return err
	}
	defer reader.Close()
	for ; times > 0; times-- {
		message, err := reader.Receive(ctx)
		if err == io.EOF { // nobody is left who sends
			break
		}
		if err != nil {
			return err
		}
		value := math.Float64frombits(binary.NativeEndian.Uint64(message.Data)) // read where it lies
		fmt.Printf("%d: %g\n", message.Number, value)
		message.Release()
	}
	fmt.Printf("%d lost\n", reader.Lost())
	return nil
}
