// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CZinc
internal import CZincBench

/// What carries messages from one process to another. zincbench.h says what `place` is of each kind.
protocol Carrier {
  init(_ place: UInt)
  func send(_ number: UInt64, _ size: UInt64)
  /// Waits for the next; returns the sum of its words.
  func receive(_ size: UInt64) -> UInt64
  /// Receives one if there is one.
  func look() -> Bool
}

/// A channel's writer, or a reader.
@safe struct Messages: Carrier {
  let end: UnsafeMutableRawPointer?
  private let wait: ZincWaitOptions
  private let noWait: ZincWaitOptions

  init(_ place: UInt) { unsafe self.init(UnsafeMutableRawPointer(bitPattern: place)) }

  init(_ end: UnsafeMutableRawPointer?, flags: Int = 0) {
    unsafe self.end = unsafe end
    let size = UInt(MemoryLayout<ZincWaitOptions>.size)
    wait = ZincWaitOptions(size: size, deadline_ns: .max, flags: UInt32(flags), after: 0)
    noWait = ZincWaitOptions(size: size, deadline_ns: 0, flags: 0, after: 0)
  }

  @inline(__always)
  func send(_ number: UInt64, _ size: UInt64) {
    var loan = unsafe ZincLoan()
    var head = ZincMessageHead(number: 0, length: size, time: 0, tag: 0)
    guard unsafe zinc_writer_loan(end, &loan) == 0 else { fatalError("no loan") }
    unsafe fill(loan.data, size, number)
    unsafe withUnsafePointer(to: wait) {
      _ = unsafe zinc_writer_publish(end, &loan, &head, $0)
    }
  }

  @inline(__always)
  func receive(_ size: UInt64) -> UInt64 {
    var message = unsafe ZincMessage()
    let status = unsafe withUnsafePointer(to: wait) {
      unsafe zinc_reader_receive(end, &message, $0)
    }
    guard status == 0 else { return .max }
    let found = unsafe sum(message.data, size)
    unsafe zinc_reader_release(end, &message)
    return found
  }

  @inline(__always)
  func look() -> Bool {
    var message = unsafe ZincMessage()
    let status = unsafe withUnsafePointer(to: noWait) {
      unsafe zinc_reader_receive(end, &message, $0)
    }
    guard status == 0 else { return false }
    unsafe zinc_reader_release(end, &message)
    return true
  }
}

struct Ring: Carrier {
  let place: UInt
  init(_ place: UInt) { self.place = place }

  @inline(__always)
  func send(_ number: UInt64, _ size: UInt64) {
    unsafe fill(zincbench_ring_claim(place), size, number)
    zincbench_ring_commit(place)
  }

  @inline(__always)
  func receive(_ size: UInt64) -> UInt64 {
    let found = unsafe sum(zincbench_ring_next(place), size)
    zincbench_ring_done(place)
    return found
  }

  func look() -> Bool { false }
}

/// The last message alone, of 32 bits.
struct Line: Carrier {
  let place: UInt
  init(_ place: UInt) { self.place = place }

  @inline(__always)
  func send(_ number: UInt64, _ size: UInt64) {
    zincbench_line_send(place, UInt32(truncatingIfNeeded: number))
  }

  func receive(_ size: UInt64) -> UInt64 { 0 }

  @inline(__always)
  func look() -> Bool { zincbench_is_said(place, 0) == 0 }
}

@inline(__always)
private func fill(_ memory: UnsafeMutableRawPointer, _ size: UInt64, _ number: UInt64) {
  if size == 8 {
    unsafe memory.storeBytes(of: number, as: UInt64.self)
  } else if size > 0 {
    unsafe zincbench_write(memory, size, number)
  }
}

@inline(__always)
private func sum(_ memory: UnsafeRawPointer, _ size: UInt64) -> UInt64 {
  if size == 8 { return unsafe memory.load(as: UInt64.self) }
  return size > 0 ? unsafe zincbench_read(memory, size) : 0
}

extension Carrier {
  func send(count: UInt64, size: UInt64) {
    for number in 0..<count { send(number, size) }
  }

  func send(count: UInt64, pauses: UInt64) -> UInt64 {
    var took: UInt64 = 0
    for number in 0..<count {
      let began = zincbench_now()
      send(number, 8)
      took += zincbench_now() - began
      for _ in 0..<pauses { zincbench_pause() }
    }
    return took
  }

  func receive(count: UInt64, size: UInt64) -> UInt64 {
    var wrong: UInt64 = 0
    for number in 0..<count where receive(size) != number &* (size / 8) { wrong += 1 }
    return wrong
  }

  func follow(_ isOver: UnsafePointer<UInt32>) -> UInt64 {
    var count: UInt64 = 0
    while zincbench_is_said(UInt(bitPattern: isOver), 0) != 0 {
      if look() { count += 1 } else { zincbench_pause() }
    }
    return count
  }
}

private func batches<Kind: Carrier>(
  _ writer: Kind, _ reader: Kind, _ size: UInt64, _ batch: UInt64, _ rounds: UInt64,
  _ times: UnsafeMutablePointer<UInt64>
) -> UInt64 {
  var wrong: UInt64 = 0
  for _ in 0..<rounds {
    let began = zincbench_now()
    writer.send(count: batch, size: size)
    let sent = zincbench_now()
    wrong += reader.receive(count: batch, size: size)
    unsafe times[0] += sent - began
    unsafe times[1] += zincbench_now() - sent
  }
  return wrong
}

@c @implementation
public func zincbench_send(_ kind: UInt32, _ writer: UInt, _ size: UInt64, _ count: UInt64) {
  switch Int(kind) {
  case ZINCBENCH_CHANNEL: Messages(writer).send(count: count, size: size)
  case ZINCBENCH_RING: Ring(writer).send(count: count, size: size)
  default: Line(writer).send(count: count, size: size)
  }
}

@c @implementation
public func zincbench_send_paced(
  _ kind: UInt32, _ writer: UInt, _ count: UInt64, _ pauses: UInt64
) -> UInt64 {
  switch Int(kind) {
  case ZINCBENCH_CHANNEL: Messages(writer).send(count: count, pauses: pauses)
  case ZINCBENCH_RING: Ring(writer).send(count: count, pauses: pauses)
  default: Line(writer).send(count: count, pauses: pauses)
  }
}

@c @implementation
public func zincbench_receive(
  _ kind: UInt32, _ reader: UInt, _ size: UInt64, _ count: UInt64
) -> UInt64 {
  switch Int(kind) {
  case ZINCBENCH_CHANNEL: Messages(reader).receive(count: count, size: size)
  case ZINCBENCH_RING: Ring(reader).receive(count: count, size: size)
  default: Line(reader).receive(count: count, size: size)
  }
}

@c @implementation
public func zincbench_batches(
  _ kind: UInt32, _ writer: UInt, _ reader: UInt, _ size: UInt64, _ batch: UInt64,
  _ rounds: UInt64, _ times: UnsafeMutablePointer<UInt64>!
) -> UInt64 {
  switch Int(kind) {
  case ZINCBENCH_CHANNEL:
    unsafe batches(Messages(writer), Messages(reader), size, batch, rounds, times)
  default: unsafe batches(Ring(writer), Ring(reader), size, batch, rounds, times)
  }
}

@c @implementation
public func zincbench_follow(
  _ kind: UInt32, _ reader: UInt, _ isOver: UnsafePointer<UInt32>!
) -> UInt64 {
  switch Int(kind) {
  case ZINCBENCH_CHANNEL: unsafe Messages(reader).follow(isOver)
  default: unsafe Line(reader).follow(isOver)
  }
}
