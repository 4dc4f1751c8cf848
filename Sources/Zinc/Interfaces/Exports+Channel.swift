// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CZinc

// The part of zinc.h that is about channels.

private func writer(_ channel: ZincWriter?) -> ChannelWriter.Pointer? {
  unsafe channel?.assumingMemoryBound(to: ChannelWriter.self)
}

private func reader(_ reader: ZincReader?) -> ChannelReader.Pointer? {
  unsafe reader?.assumingMemoryBound(to: ChannelReader.self)
}

/// EINVAL for what no channel can be.
private func geometry(_ channel: UnsafePointer<ZincChannelOptions>?) throws(Failure)
  -> ChannelGeometry
{
  guard let channel = unsafe channel,
    unsafe Int(channel.pointee.size) >= MemoryLayout<ZincChannelOptions>.size
  else { throw Failure(EINVAL, "channel is null, or its size is not sizeof(ZincChannelOptions)") }
  let wanted = unsafe channel.pointee
  let isShared = wanted.flags & UInt32(ZINC_QUEUE) != 0
  let isOnce = wanted.flags & UInt32(ZINC_QUEUE_AT_MOST_ONCE) != 0
  let known = UInt32(ZINC_CHANNEL_WAIT | ZINC_QUEUE | ZINC_QUEUE_AT_MOST_ONCE)
  guard wanted.flags & ~known == 0, isShared || !isOnce else {
    throw Failure(EINVAL, "a flag that channels do not know: %", UInt64(wanted.flags))
  }
  return try ChannelGeometry(
    messages: Int(wanted.messages), payload: Int(clamping: wanted.payload),
    writers: wanted.writers == 0 ? 4 : Int(wanted.writers),
    loans: wanted.loans == 0 ? 1 : Int(wanted.loans),
    readers: wanted.readers == 0 ? 8 : Int(wanted.readers),
    views: wanted.views == 0 ? 8 : Int(wanted.views),
    waits: wanted.flags & UInt32(ZINC_CHANNEL_WAIT) != 0, isShared: isShared, isOnce: isOnce)
}

@c @implementation
public func zinc_channel_create(
  _ name: UnsafePointer<CChar>?, _ channel: UnsafePointer<ZincChannelOptions>?,
  _ options: UnsafePointer<ZincOptions>?, _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attachByName("create the channel", name, out) { path throws(Failure) in
    unsafe try geometry(channel).describe(RegionOptions(options)) {
      (size, options) throws(Failure) in
      unsafe try Attachment.create(path, capacity: size, options)
    }
  }
}

@c @implementation
public func zinc_channel_create_anonymous(
  _ channel: UnsafePointer<ZincChannelOptions>?, _ options: UnsafePointer<ZincOptions>?,
  _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attach("create an anonymous channel", out) { () throws(Failure) in
    unsafe try geometry(channel).describe(RegionOptions(options)) {
      (size, options) throws(Failure) in
      unsafe try Attachment.createAnonymous(capacity: size, options)
    }
  }
}

@c @implementation
public func zinc_channel_examine(
  _ handle: ZincHandle?, _ info: UnsafeMutablePointer<ZincChannelInfo>?
) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report("look at the channel", handle.pointee.nameForMessages) {
    () throws(Failure) in
    unsafe try fill(info, try ChannelMemory(of: handle))
  }
}

private func fill(_ info: UnsafeMutablePointer<ZincChannelInfo>?, _ memory: ChannelMemory)
  throws(Failure)
{
  guard let info = unsafe info, unsafe info.pointee.size >= MemoryLayout<ZincChannelInfo>.size
  else { throw Failure(EINVAL, "info is null, or info.size is not sizeof(ZincChannelInfo)") }
  unsafe info.pointee.payload = UInt64(memory.geometry.payload)
  unsafe info.pointee.newest = memory.newest()
  unsafe info.pointee.messages = UInt32(memory.geometry.messages)
  unsafe info.pointee.slots = UInt32(memory.geometry.slots)
  unsafe info.pointee.views = UInt32(memory.geometry.views)
  unsafe info.pointee.flags = memory.geometry.flags
}

public typealias TellOfUser =
  @convention(c) (UnsafePointer<ZincChannelUser>?, UnsafeMutableRawPointer?) -> Void

@c @implementation
public func zinc_channel_users(
  _ handle: ZincHandle?, _ tell: TellOfUser?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report("look who uses the channel", handle.pointee.nameForMessages) {
    () throws(Failure) in
    let memory = unsafe try ChannelMemory(of: handle)
    let seats = unsafe handle.pointee.header.seats
    unsafe try tellEach {
      unsafe tell?($0, context)
    } look: { (visit: (ZincChannelUser) -> Void) throws(Failure) in
      unsafe try Attachment.visitSeats(handle) { memory.visit($0, seats, visit) }
    }
  }
}

@c @implementation
public func zinc_channel_keeps(_ handle: ZincHandle?, _ number: UInt64) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe attempt("look for a message of", handle.pointee.nameForMessages) {
    () throws(Failure) in
    let memory = unsafe try ChannelMemory(of: handle)
    let seats = unsafe handle.pointee.header.seats
    return memory.keeps(number, seats) { unsafe Attachment.isTaken($0, handle) } ? 1 : 0
  }
}

@c @implementation
public func zinc_channel_examine_name(
  _ name: UnsafePointer<CChar>?, _ info: UnsafeMutablePointer<ZincChannelInfo>?,
  _ tell: TellOfUser?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  unsafe examine("look at the channel", name, tell, context) { (memory) throws(Failure) in
    unsafe try fill(info, memory)
  }
}

/// Calls `body` with a copy of what has the name, and then tells of its users.
func examine(
  _ operation: StaticString, _ name: UnsafePointer<CChar>?, _ tell: TellOfUser?,
  _ context: UnsafeMutableRawPointer?, _ body: (ChannelMemory) throws(Failure) -> Void
) -> Int32 {
  unsafe report(operation, name) { () throws(Failure) in
    let path = unsafe try path(name)
    unsafe try tellEach {
      unsafe tell?($0, context)
    } look: { (visit: (ZincChannelUser) -> Void) throws(Failure) in
      try RegionName.lookAtChannel(path, body, visit: visit)
    }
  }
}

@c @implementation
public func zinc_channel_wait_for_readers(
  _ handle: ZincHandle?, _ count: UInt32, _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe attempt("wait for readers of", handle.pointee.nameForMessages) {
    () throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try Attachment.waitForReaders(handle, Int(count), how, deadline: deadline)
  }
}

@c @implementation
public func zinc_writer_begin(_ handle: ZincHandle?, _ out: UnsafeMutablePointer<ZincWriter?>?)
  -> Int32
{
  unsafe begin("write to", handle, out) { handle throws(Failure) in
    unsafe try ChannelWriter.make(handle)
  }
}

func begin(
  _ operation: StaticString, _ handle: ZincHandle?,
  _ out: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  _ body: (Attachment.Handle) throws(Failure) -> UnsafeMutableRawPointer
) -> Int32 {
  unsafe out?.pointee = nil
  guard let handle = unsafe attachment(handle), let out = unsafe out else { return -EINVAL }
  return unsafe report(operation, handle.pointee.nameForMessages) { () throws(Failure) in
    unsafe out.pointee = unsafe try body(handle)
  }
}

@c @implementation
public func zinc_writer_evict_after(_ channel: ZincWriter?, _ nanoseconds: UInt64) {
  if let writer = unsafe writer(channel) { unsafe writer.pointee.evictAfter = nanoseconds }
}

@c @implementation
public func zinc_writer_end(_ channel: ZincWriter?) {
  if let writer = unsafe writer(channel) { unsafe ChannelWriter.free(writer) }
}

@_optimize(speed)
@c @implementation
public func zinc_writer_loan(_ channel: ZincWriter?, _ loan: UnsafeMutablePointer<ZincLoan>?)
  -> Int32
{
  guard let writer = unsafe writer(channel) else { return -EINVAL }
  let most = unsafe UInt64(writer.pointee.end.memory.geometry.payload)
  return unsafe zinc_writer_loan_for(channel, most, loan)
}

@_optimize(speed)
@c @implementation
public func zinc_writer_loan_for(
  _ channel: ZincWriter?, _ length: UInt64, _ loan: UnsafeMutablePointer<ZincLoan>?
) -> Int32 {
  guard let writer = unsafe writer(channel), let loan = unsafe loan else { return -EINVAL }
  return unsafe report("take a loan of", writer.pointee.end.handle.pointee.nameForMessages) {
    () throws(Failure) in
    let memory = unsafe writer.pointee.end.memory
    let most = UInt64(truncatingIfNeeded: memory.geometry.payload)
    guard length <= most else { throw ChannelWriter.tooLong(length, most) }
    let slot = unsafe try writer.pointee.loan(for: Int(truncatingIfNeeded: length))
    guard slot >= 0 else { throw ChannelWriter.noSlot }
    unsafe loan.pointee.data = unsafe memory.payload(slot)
    unsafe loan.pointee.capacity = UInt(truncatingIfNeeded: length)
    unsafe loan.pointee.slot = UInt32(truncatingIfNeeded: slot)
  }
}

@c @implementation
public func zinc_writer_discard(_ channel: ZincWriter?, _ loan: UnsafePointer<ZincLoan>?) -> Int32 {
  guard let writer = unsafe writer(channel), let loan = unsafe loan else { return -EINVAL }
  return unsafe report("discard a loan of", writer.pointee.end.handle.pointee.nameForMessages) {
    () throws(Failure) in
    unsafe try writer.pointee.discard(Int(loan.pointee.slot))
  }
}

@_optimize(speed)
@c @implementation
public func zinc_writer_publish(
  _ channel: ZincWriter?, _ loan: UnsafePointer<ZincLoan>?,
  _ head: UnsafeMutablePointer<ZincMessageHead>?, _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  guard let writer = unsafe writer(channel), let loan = unsafe loan, let head = unsafe head else {
    return -EINVAL
  }
  return unsafe attempt("publish to", writer.pointee.end.handle.pointee.nameForMessages) {
    () throws(Failure) in
    let payload = unsafe writer.pointee.end.memory.geometry.payload
    guard unsafe head.pointee.length <= UInt64(truncatingIfNeeded: payload) else {
      throw unsafe ChannelWriter.tooLong(head.pointee.length, UInt64(payload))
    }
    let (how, deadline) = unsafe try parse(wait)
    let slot = unsafe Int(truncatingIfNeeded: loan.pointee.slot)
    while unsafe try !writer.pointee.publish(slot, head) {
      let outcome = unsafe try writer.pointee.waitForRoom(how, deadline: deadline)
      if outcome != .isRoom { return outcome.rawValue }
    }
    return 0
  }
}

@c @implementation
public func zinc_writer_wait(_ channel: ZincWriter?, _ wait: UnsafePointer<ZincWaitOptions>?)
  -> Int32
{
  guard let writer = unsafe writer(channel) else { return -EINVAL }
  return unsafe attempt(
    "wait for readers of", writer.pointee.end.handle.pointee.nameForMessages
  ) { () throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try writer.pointee.waitForRoom(how, deadline: deadline).rawValue
  }
}

@c @implementation
public func zinc_reader_begin(
  _ handle: ZincHandle?, _ history: UInt64, _ out: UnsafeMutablePointer<ZincReader?>?
) -> Int32 {
  unsafe begin("read", handle, out) { handle throws(Failure) in
    unsafe try ChannelReader.make(handle, history: history)
  }
}

@c @implementation
public func zinc_reader_end(_ handle: ZincReader?) {
  if let reader = unsafe reader(handle) { unsafe ChannelReader.free(reader) }
}

@_optimize(speed)
@c @implementation
public func zinc_reader_receive(
  _ handle: ZincReader?, _ message: UnsafeMutablePointer<ZincMessage>?,
  _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  guard let reader = unsafe reader(handle), let message = unsafe message else { return -EINVAL }
  return unsafe attempt("receive from", reader.pointee.end.handle.pointee.nameForMessages) {
    () throws(Failure) in
    let untilGone = UInt32(ZINC_WAIT_UNTIL_GONE)
    let (how, deadline) = unsafe try parse(wait, flags: waitFlags | untilGone)
    if let found = unsafe try reader.pointee.receive() {
      unsafe fill(message, found, reader)
      return 0
    }
    var found: ChannelReader.Message?
    let result = unsafe try reader.pointee.receive(
      how, untilGone: how.rawValue & untilGone != 0, deadline: deadline, &found)
    if let found { unsafe fill(message, found, reader) }
    return result.rawValue
  }
}

@inline(__always)
private func fill(
  _ message: UnsafeMutablePointer<ZincMessage>, _ found: ChannelReader.Message,
  _ reader: ChannelReader.Pointer
) {
  let (head, data) = unsafe reader.pointee.look(at: found)
  unsafe message.pointee.data = unsafe data
  unsafe message.pointee.head = head
  unsafe message.pointee.view = UInt32(truncatingIfNeeded: found.view)
  unsafe message.pointee.reader = found.owner.bits
}

@_optimize(speed)
@c @implementation
public func zinc_reader_release(_ handle: ZincReader?, _ message: UnsafePointer<ZincMessage>?) {
  guard let reader = unsafe reader(handle), let message = unsafe message else { return }
  unsafe reader.pointee.release(
    Int(message.pointee.view), of: SeatIdentity(bits: message.pointee.reader))
}

@c @implementation
public func zinc_reader_skip(_ handle: ZincReader?) -> Int32 {
  guard let reader = unsafe reader(handle) else { return -EINVAL }
  unsafe reader.pointee.skip()
  return 0
}

@c @implementation
public func zinc_reader_stop(_ handle: ZincReader?) {
  if let reader = unsafe reader(handle) { unsafe reader.pointee.stop() }
}

@c @implementation
public func zinc_reader_lost(_ handle: ZincReader?) -> UInt64 {
  guard let reader = unsafe reader(handle) else { return 0 }
  return unsafe reader.pointee.lost
}

@_optimize(speed)
@c @implementation
public func zinc_reader_next(_ handle: ZincReader?) -> UInt64 {
  guard let reader = unsafe reader(handle) else { return 0 }
  return unsafe reader.pointee.next
}
