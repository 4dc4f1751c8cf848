// Send sends numbers: send NAME TIMES. It waits for a reader first; killed and started again, it goes on.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"math"
	"os"
	"strconv"

	"zinc"
)

// What a message is, for Python: as in the header of a .npy file.
const description = "{'descr': '<f8', 'fortran_order': False, 'shape': ()}"

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
	options := zinc.ChannelOptions{
		Slots: 8, SlotSize: 8, Waits: true, Region: zinc.Options{Metadata: []byte(description)},
	}
	channel, err := options.Create(os.Args[1])
	if errors.Is(err, fs.ErrExist) {
		channel, err = zinc.OpenChannel(ctx, os.Args[1])
	}
	if err != nil {
		return err
	}
	defer channel.Close()
	if err := channel.WaitForReaders(ctx, 1); err != nil {
		return err
	}
	for number := 1; number <= times; number++ {
		loan, err := channel.Loan() // a slot of shared memory that nobody reads
		if err != nil {
			return err
		}
		binary.NativeEndian.PutUint64(loan.Data, math.Float64bits(float64(number)/2))
		if _, err := loan.Publish(ctx, 8); err != nil {
			return err
		}
	}
	return nil
}
