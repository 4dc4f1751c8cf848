// Package zinc hands messages and memory to other processes of the machine, without a copy.
//
//   - A [Channel] hands messages over: a writer fills a slot in place, and each reader reads it where
//     it lies.
//   - A [Queue] shares work: each message goes to one worker, and what a killed one had to another.
//   - A [Store] keeps bytes by key, for all to get, without a server.
//   - A [SharedRegion] is memory with a name; Notify and Wait say when there is something new. A [Lock]
//     and an [RWLock] outlive a holder that is killed.
//
// They are those of zinc's other languages: what Python, Swift, C or Rust made, Go opens, and the other
// way round.
//
// # The library
//
// Package zinc needs libzinc, which `pip install zinc-shm` brings, and finds it by pkg-config:
//
//	export PKG_CONFIG_PATH=$(python3 -c 'import zinc; print(zinc.get_pkgconfig())')
//
// With the tag zinc_static it takes along the archive that `make bindings` has put into this module.
//
// # Waiting
//
// What takes a context waits until that is done, and returns its error then, within 20 ms of a cancel;
// with [context.Background] it waits for ever, and best. A wait takes a thread of the system.
//
// # Goroutines, and closing
//
// All values may be used by any number of goroutines at once. Close ends the waits of other goroutines,
// waits for calls in progress and may come twice; calls after it return [io.ErrClosedPipe]. Nothing is
// closed by the garbage collector. Slices of shared memory are valid until what they are from is closed,
// and a message's until it is released: to touch one later is a fault, which ends the program.
package zinc
