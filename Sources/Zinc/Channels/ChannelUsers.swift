internal import CZinc
internal import Synchronization

// Who takes part in a channel, for who does not.

extension Attachment {
  /// How many live and sit there for that.
  static func users(_ handle: Handle, _ role: SeatTable.Role) -> Int {
    let seats = unsafe handle.pointee.header.seats
    var count = 0
    for seat in 0..<SeatTable.count
    where unsafe seats.role(seat) == role.rawValue && isTaken(seat, handle) {
      count += 1
    }
    return count
  }

  /// Waits until so many read its channel: 0, or what a wait ends with.
  static func waitForReaders(
    _ handle: Handle, _ count: Int, _ options: Notification.WaitOptions, deadline: UInt64
  ) throws(Failure) -> Int32 {
    _ = unsafe try ChannelMemory(of: handle)
    return unsafe try wait(handle, options, until: deadline) {
      unsafe users(handle, .reads) >= count ? 0 : nil
    } sweep: {
      false
    }
  }
}

extension ChannelMemory {
  /// May somebody still receive message `number`, or does somebody who lives hold it? Of a queue: is it
  /// not done yet?
  ///
  /// First the ring and then the pins, sequentially consistent, as who takes a slot again: whoever
  /// pins it later finds that it is not there.
  func keeps(_ number: UInt64, _ seats: SeatTable, _ isAlive: (Int) -> Bool) -> Bool {
    let entry = unsafe ring(number).pointee.load(ordering: .sequentiallyConsistent)
    if number == 0 { return false }
    if geometry.isShared { return find(number) != nil }
    if self.number(of: entry, near: number) == number { return true }
    for seat in 0..<seatCount where seats.role(seat) == SeatTable.Role.reads.rawValue {
      for index in 0..<geometry.views {
        let pinned = unsafe Int(pin(seat, index).pointee.load(ordering: .sequentiallyConsistent))
        guard (1...geometry.slots).contains(pinned) else { continue }
        // As long as it is pinned nobody writes there.
        if unsafe slot(pinned - 1).load(as: UInt64.self) == number && isAlive(seat) { return true }
      }
    }
    return false
  }
}

extension RegionName {
  /// Calls `body` with a copy of what the channel of this name is, without its messages, and `visit`
  /// with each of its users, without attaching.
  static func lookAtChannel(
    _ path: borrowing RegionPath, _ body: (ChannelMemory) throws(Failure) -> Void,
    visit: (ZincChannelUser) -> Void
  ) throws(Failure) {
    unsafe try withHeader(path) { (base, file) throws(Failure) in
      let seats = unsafe Header(base).seats
      let region = try RegionFile(reading: file, try file.status())
      try ChannelMemory.check(region.kind)
      let start = region.dataOffset
      let geometry = unsafe try withCopy(of: file, from: start, min(region.capacity, 64)) {
        (copy) throws(Failure) in
        unsafe try ChannelGeometry(reading: copy, of: region)
      }
      unsafe try withCopy(of: file, from: start, geometry.slotsOffset) { (copy) throws(Failure) in
        let memory = unsafe ChannelMemory(copy, geometry)
        try body(memory)
        try seats.visit(file) { memory.visit($0, seats, visit) }
      }
    }
  }
}
