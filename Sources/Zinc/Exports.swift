// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CZinc

// zinc.h in terms of the core: null handles, options from C, and errors as numbers.

private func attachment(_ handle: ZincHandle?) -> Attachment.Handle? {
  unsafe handle?.assumingMemoryBound(to: Attachment.self)
}

// MARK: - The stable nine

@c @implementation
public func zinc_create(
  _ name: UnsafePointer<CChar>?, _ capacity: UInt, _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  let options = RegionOptions()
  return unsafe attachByName("create", name, out) { path throws(Failure) in
    guard capacity % czinc_page_size() == 0 else {
      throw Failure(
        EINVAL, "zinc_create takes a multiple of the page size, % bytes; zinc_region_create any",
        UInt64(czinc_page_size()))
    }
    return unsafe try Attachment.create(path, capacity: Int(clamping: capacity), options)
  }
}

@c @implementation
public func zinc_open(
  _ name: UnsafePointer<CChar>?, _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  let options = RegionOptions()
  return unsafe attachByName("open", name, out) { path throws(Failure) in
    unsafe try Attachment.open(path, options)
  }
}

@c @implementation
public func zinc_ptr(_ handle: ZincHandle?) -> UnsafeMutablePointer<UInt8>? {
  unsafe attachment(handle)?.pointee.data.assumingMemoryBound(to: UInt8.self)
}

@c @implementation
public func zinc_capacity(_ handle: ZincHandle?) -> UInt {
  guard let handle = unsafe attachment(handle) else { return 0 }
  return unsafe UInt(handle.pointee.capacity)
}

@c @implementation
public func zinc_close(_ handle: ZincHandle?) {
  if let handle = unsafe attachment(handle) { unsafe Attachment.close(handle) }
}

@c @implementation
public func zinc_notify(_ handle: ZincHandle?) {
  if let handle = unsafe attachment(handle) { _ = unsafe handle.pointee.notify() }
}

@c @implementation
public func zinc_wait(_ handle: ZincHandle?, _ timeout: UInt32) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  if unsafe handle.pointee.tryWait() { return 0 }
  let deadline =
    switch timeout {
    case 0: 0 as UInt64
    case .max: UInt64.max
    default: czinc_clock(CLOCK_MONOTONIC) + UInt64(timeout) * 1_000_000
    }
  return unsafe handle.pointee.wait(deadline: deadline, isInterruptible: false).rawValue
}

@c @implementation
public func zinc_try_wait(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe handle.pointee.tryWait() ? 0 : -EAGAIN
}

@c @implementation
public func zinc_version() -> UInt32 { UInt32(Header.version) << 16 | 2 }

// MARK: - Beyond them

@c @implementation
public func zinc_region_create(
  _ name: UnsafePointer<CChar>?, _ capacity: UInt, _ options: UnsafePointer<ZincOptions>?,
  _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attachByName("create", name, out) { path throws(Failure) in
    unsafe try Attachment.create(
      path, capacity: Int(clamping: capacity), RegionOptions(options))
  }
}

@c @implementation
public func zinc_region_open_or_create(
  _ name: UnsafePointer<CChar>?, _ capacity: UInt, _ options: UnsafePointer<ZincOptions>?,
  _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attachByName("open or create", name, out) { path throws(Failure) in
    unsafe try Attachment.openOrCreate(
      path, capacity: Int(clamping: capacity), RegionOptions(options))
  }
}

@c @implementation
public func zinc_region_create_anonymous(
  _ capacity: UInt, _ options: UnsafePointer<ZincOptions>?,
  _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attach("create an anonymous region", out) { () throws(Failure) in
    unsafe try Attachment.createAnonymous(
      capacity: Int(clamping: capacity), RegionOptions(options))
  }
}

@c @implementation
public func zinc_region_open_descriptor(
  _ descriptor: Int32, _ options: UnsafePointer<ZincOptions>?,
  _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attach("open a descriptor", out) { () throws(Failure) in
    unsafe try Attachment.open(descriptor: descriptor, RegionOptions(options))
  }
}

@c @implementation
public func zinc_region_unlink(_ name: UnsafePointer<CChar>?, _ flags: UInt32) -> Int32 {
  unsafe report("unlink", name) { () throws(Failure) in
    guard flags & ~UInt32(ZINC_FORCE) == 0 else { throw Failure(EINVAL, "an unknown flag") }
    unsafe try RegionName.unlink(path(name), force: flags != 0)
  }
}

@c @implementation
public func zinc_reclaim(
  _ tell: (@convention(c) (UnsafePointer<CChar>?, UInt64, UnsafeMutableRawPointer?) -> Void)?,
  _ context: UnsafeMutableRawPointer?
) -> UInt64 {
  var freed: UInt64 = 0
  unsafe RegionName.reclaimAllGated { name, bytes in
    freed += bytes
    unsafe tell?(name, bytes, context)
  }
  return freed
}

@c @implementation
public func zinc_region_open(
  _ name: UnsafePointer<CChar>?, _ options: UnsafePointer<ZincOptions>?,
  _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attachByName("open", name, out) { path throws(Failure) in
    unsafe try Attachment.open(path, RegionOptions(options))
  }
}

@c @implementation
public func zinc_region_examine(
  _ name: UnsafePointer<CChar>?, _ info: UnsafeMutablePointer<ZincRegionInfo>?
) -> Int32 {
  unsafe report("examine", name) { () throws(Failure) in
    guard let info = unsafe info, unsafe info.pointee.size >= MemoryLayout<ZincRegionInfo>.size
    else { throw Failure(EINVAL, "info is null, or info.size is not sizeof(ZincRegionInfo)") }
    unsafe try RegionName.examine(path(name), info)
  }
}

@c @implementation
public func zinc_region_list(
  _ tell: (@convention(c) (UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void)?,
  _ context: UnsafeMutableRawPointer?
) {
  unsafe RegionName.visitAll { unsafe tell?($0, context) }
}

@c @implementation
public func zinc_region_detach(_ handle: ZincHandle?) {
  if let handle = unsafe attachment(handle) { unsafe Attachment.detach(handle) }
}

@c @implementation
public func zinc_region_name(_ handle: ZincHandle?) -> UnsafePointer<CChar>? {
  guard let handle = unsafe attachment(handle) else { return unsafe StaticString("").cString }
  return unsafe handle.pointee.name
}

@c @implementation
public func zinc_region_descriptor(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe handle.pointee.anonymousDescriptor ?? -EINVAL
}

@c @implementation
public func zinc_region_is_readonly(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return 0 }
  return unsafe handle.pointee.isReadonly ? 1 : 0
}

@c @implementation
public func zinc_region_id(_ handle: ZincHandle?) -> UInt64 {
  guard let handle = unsafe attachment(handle) else { return 0 }
  return unsafe handle.pointee.file.id
}

@c @implementation
public func zinc_region_kind(_ handle: ZincHandle?) -> UInt32 {
  guard let handle = unsafe attachment(handle) else { return 0 }
  return unsafe handle.pointee.file.kind
}

@c @implementation
public func zinc_region_metadata(
  _ handle: ZincHandle?, _ length: UnsafeMutablePointer<UInt>?
) -> UnsafeRawPointer? {
  guard let handle = unsafe attachment(handle) else {
    unsafe length?.pointee = 0
    return nil
  }
  let metadata = unsafe handle.pointee.metadata
  unsafe length?.pointee = UInt(metadata.count)
  return metadata.baseAddress
}

@c @implementation
public func zinc_region_sequence(_ handle: ZincHandle?) -> UInt32 {
  guard let handle = unsafe attachment(handle) else { return 0 }
  return unsafe handle.pointee.sequence
}

@c @implementation
public func zinc_region_seen(_ handle: ZincHandle?) -> UInt32 {
  guard let handle = unsafe attachment(handle) else { return 0 }
  return unsafe handle.pointee.sequenceSeen
}

@c @implementation
public func zinc_region_notify(
  _ handle: ZincHandle?, _ sequence: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  guard unsafe handle.pointee.canNotify else { return -EPERM }
  let now = unsafe handle.pointee.notify()
  unsafe sequence?.pointee = now
  return 0
}

@c @implementation
public func zinc_region_wait(_ handle: ZincHandle?, _ options: UnsafePointer<ZincWaitOptions>?)
  -> Int32
{
  guard let handle = unsafe attachment(handle), let options = unsafe valid(options) else {
    return -EINVAL
  }
  let isInterruptible = options.flags & UInt32(ZINC_WAIT_INTERRUPTIBLE) != 0
  let result =
    options.flags & UInt32(ZINC_WAIT_AFTER) != 0
    ? unsafe handle.pointee.wait(
      past: options.after, deadline: options.deadline_ns, isInterruptible: isInterruptible)
    : unsafe handle.pointee.wait(
      deadline: options.deadline_ns, isInterruptible: isInterruptible)
  return result.rawValue
}

@c @implementation
public func zinc_wait_any(
  _ items: UnsafeMutablePointer<ZincWaitItem>?, _ count: UInt,
  _ options: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe waitForMany(items, count, options, forAll: false)
}

@c @implementation
public func zinc_wait_all(
  _ items: UnsafeMutablePointer<ZincWaitItem>?, _ count: UInt,
  _ options: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe waitForMany(items, count, options, forAll: true)
}

@c @implementation
public func zinc_error_message() -> UnsafePointer<CChar>? { unsafe UnsafePointer(czinc_message()) }

// MARK: -

private func valid(_ options: UnsafePointer<ZincWaitOptions>?) -> ZincWaitOptions? {
  guard let options = unsafe options?.pointee,
    options.size >= MemoryLayout<ZincWaitOptions>.size,
    options.flags & ~UInt32(ZINC_WAIT_AFTER | ZINC_WAIT_INTERRUPTIBLE) == 0
  else { return nil }
  return options
}

private func waitForMany(
  _ items: UnsafeMutablePointer<ZincWaitItem>?, _ count: UInt,
  _ options: UnsafePointer<ZincWaitOptions>?, forAll: Bool
) -> Int32 {
  guard let options = unsafe valid(options), unsafe items != nil, count > 0,
    let count = Int(exactly: count)
  else { return -EINVAL }
  let items = unsafe UnsafeMutableBufferPointer(start: items, count: count)
  for i in 0..<count where unsafe items[i].handle == nil { return -EINVAL }
  let result = unsafe WaitSet(items).wait(
    forAll: forAll, seeing: options.flags & UInt32(ZINC_WAIT_AFTER) == 0,
    deadline: options.deadline_ns,
    isInterruptible: options.flags & UInt32(ZINC_WAIT_INTERRUPTIBLE) != 0)
  return result.rawValue
}

/// Calls `body`; a failure leaves its story in this thread's message.
private func report(
  _ operation: StaticString, _ name: UnsafePointer<CChar>?, _ body: () throws(Failure) -> Void
) -> Int32 {
  do throws(Failure) {
    try body()
    return 0
  } catch {
    let buffer = unsafe UnsafeMutableBufferPointer(
      start: czinc_message(), count: Int(CZINC_MESSAGE_SIZE))
    _ = unsafe Message(in: buffer, operation, name, error)
    return error.status
  }
}

/// Hands out the handle that `body` makes; a failure leaves null there.
private func attach(
  _ operation: StaticString, _ out: UnsafeMutablePointer<ZincHandle?>?,
  name: UnsafePointer<CChar>? = nil, _ body: () throws(Failure) -> Attachment.Handle
) -> Int32 {
  unsafe out?.pointee = nil
  return unsafe report(operation, name) { () throws(Failure) in
    guard let out = unsafe out else { throw Failure(EINVAL, "the place for the handle is null") }
    unsafe out.pointee = unsafe UnsafeMutableRawPointer(try body())
  }
}

private func attachByName(
  _ operation: StaticString, _ name: UnsafePointer<CChar>?,
  _ out: UnsafeMutablePointer<ZincHandle?>?,
  _ body: (borrowing RegionPath) throws(Failure) -> Attachment.Handle
) -> Int32 {
  unsafe attach(operation, out, name: name) { () throws(Failure) in
    unsafe try body(path(name))
  }
}

private func path(_ name: UnsafePointer<CChar>?) throws(Failure) -> RegionPath {
  guard let name = unsafe name else { throw Failure(EINVAL, "the name is null") }
  return unsafe try RegionPath(name)
}

extension RegionOptions {
  /// The options of a C caller; null asks for nothing special. EINVAL for a size that
  /// is not this struct's.
  fileprivate init(_ options: UnsafePointer<ZincOptions>?) throws(Failure) {
    self.init()
    guard let options = unsafe options?.pointee else { return }
    guard unsafe options.size >= MemoryLayout<ZincOptions>.size else {
      throw Failure(EINVAL, "options.size must be sizeof(ZincOptions)")
    }
    flags = unsafe Flags(rawValue: options.flags)
    if unsafe options.mode != 0 { mode = unsafe options.mode }
    kind = unsafe options.kind
    guard unsafe options.metadata != nil || options.metadata_length == 0 else {
      throw Failure(EINVAL, "the metadata is null, and its length is not 0")
    }
    if let bytes = unsafe options.metadata {
      // Longer than there is room for is longer than there is room for.
      unsafe metadata = UnsafeRawBufferPointer(
        start: bytes, count: Int(clamping: options.metadata_length))
    }
  }
}
