// Peer is a process that has a region and does with it what it is told, a line a command: what the tests show of
// one memory in several languages, and how long a round trip takes. See examples/peer.rs of the binding to Rust.
package main

import (
	"bufio"
	"fmt"
	"log"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"zinc"
)

func main() {
	var region *zinc.SharedRegion
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "open":
			region = open(words[1])
			data := uintptr(unsafe.Pointer(unsafe.SliceData(region.Bytes())))
			fmt.Printf("{\"pid\": %d, \"data\": %d, \"size\": %d}\n", os.Getpid(), data, region.Capacity())
		case "write":
			region.Bytes()[number(words[1])] = byte(number(words[2]))
			fmt.Println(words[2])
		case "read":
			fmt.Println(region.Bytes()[number(words[1])])
		case "reply":
			back := open(words[1])
			for i := number(words[2]); i > 0; i-- {
				region.Wait(math.MaxUint32)
				tell(back)
			}
			fmt.Println(1)
		case "ask":
			back := open(words[1])
			best := time.Duration(math.MaxInt64)
			for part := 0; part < number(words[2])/1000; part++ {
				start := time.Now()
				for i := 0; i < 1000; i++ {
					tell(region)
					back.Wait(math.MaxUint32)
				}
				best = min(best, time.Since(start))
			}
			fmt.Println(float64(best) / 1000)
		default:
			log.Fatalf("unknown: %s", lines.Text())
		}
	}
}

func open(name string) *zinc.SharedRegion {
	region, err := zinc.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	return region
}

func tell(region *zinc.SharedRegion) {
	if _, err := region.Notify(); err != nil {
		log.Fatal(err)
	}
}

func number(word string) int {
	value, err := strconv.Atoi(word)
	if err != nil {
		log.Fatal(err)
	}
	return value
}
