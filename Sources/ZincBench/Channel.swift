internal import CZinc
internal import CZincBench

/// A way to tell another process that there is something. `place` is what `ZincBenchTalk` says
/// of it; rounds count from 1.
protocol Channel {
  associatedtype Answer: Channel = Self
  init(_ place: UInt)
  func say(_ round: UInt32)
  func hear(_ round: UInt32)
}

struct Spin: Channel {
  let place: UInt
  init(_ place: UInt) { self.place = place }
  func say(_ round: UInt32) { zincbench_spin_say(place, round) }
  func hear(_ round: UInt32) { zincbench_spin_hear(place, round) }
}

struct Futex: Channel {
  let place: UInt
  init(_ place: UInt) { self.place = place }
  func say(_ round: UInt32) { zincbench_futex_say(place, round) }
  func hear(_ round: UInt32) { zincbench_futex_hear(place, round) }
}

struct Raw: Channel {
  let place: UInt
  init(_ place: UInt) { self.place = place }
  func say(_ round: UInt32) { zincbench_raw_say(place, round) }
  func hear(_ round: UInt32) { zincbench_raw_hear(place, round) }
}

struct File: Channel {
  let place: UInt
  init(_ place: UInt) { self.place = place }
  func say(_ round: UInt32) { zincbench_file_say(place, round) }
  func hear(_ round: UInt32) { zincbench_file_hear(place, round) }
}

struct Semaphore: Channel {
  let place: UInt
  init(_ place: UInt) { self.place = place }
  func say(_ round: UInt32) { zincbench_semaphore_say(place, round) }
  func hear(_ round: UInt32) { zincbench_semaphore_hear(place, round) }
}

@safe struct Wait: Channel {
  let handle: ZincHandle?
  init(_ place: UInt) { unsafe handle = ZincHandle(bitPattern: place) }
  func say(_ round: UInt32) { unsafe zinc_notify(handle) }
  func hear(_ round: UInt32) { _ = unsafe zinc_wait(handle, .max) }
}

@safe struct Sleep: Channel {
  let handle: ZincHandle?
  init(_ place: UInt) { unsafe handle = ZincHandle(bitPattern: place) }
  func say(_ round: UInt32) { unsafe zinc_notify(handle) }
  func hear(_ round: UInt32) {
    var options = ZincWaitOptions()
    options.size = UInt(MemoryLayout<ZincWaitOptions>.size)
    options.deadline_ns = .max
    options.flags = UInt32(ZINC_WAIT_SLEEP)
    _ = unsafe zinc_region_wait(handle, &options)
  }
}

@safe struct TryWait: Channel {
  let handle: ZincHandle?
  init(_ place: UInt) { unsafe handle = ZincHandle(bitPattern: place) }
  func say(_ round: UInt32) { unsafe zinc_notify(handle) }
  func hear(_ round: UInt32) { while unsafe zinc_try_wait(handle) != 0 { zincbench_pause() } }
}

/// A message of eight bytes through a channel. The place is its writer of who says, its reader of
/// who hears.
@safe struct Message: Channel {
  let end: UnsafeMutableRawPointer?
  init(_ place: UInt) { unsafe end = UnsafeMutableRawPointer(bitPattern: place) }
  func say(_ round: UInt32) { unsafe Messages(end).send(UInt64(round), 8) }
  func hear(_ round: UInt32) { _ = unsafe Messages(end).receive(8) }
}

/// The same, for who sleeps at once.
@safe struct MessageSleep: Channel {
  let end: UnsafeMutableRawPointer?
  init(_ place: UInt) { unsafe end = UnsafeMutableRawPointer(bitPattern: place) }
  func say(_ round: UInt32) { unsafe Messages(end).send(UInt64(round), 8) }
  func hear(_ round: UInt32) { _ = unsafe Messages(end, flags: ZINC_WAIT_SLEEP).receive(8) }
}

/// As `Sleep`; whoever is last of a crowd to hear answers by a futex.
struct Crowd: Channel {
  typealias Answer = Futex
  let wait: Sleep
  init(_ place: UInt) { wait = Sleep(place) }
  func say(_ round: UInt32) { wait.say(round) }
  func hear(_ round: UInt32) { wait.hear(round) }
}
