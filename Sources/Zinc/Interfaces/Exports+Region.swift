// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CZinc

// The part of zinc.h that is about regions: options from C, and handles by name.

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
    let how: RegionName.Removal =
      switch Int(flags) {
      case 0: .always
      case ZINC_FORCE: .force
      case ZINC_IF_UNUSED: .unused
      default: throw RegionName.contradiction
      }
    unsafe try RegionName.unlink(path(name), how)
  }
}

@c @implementation
public func zinc_region_remove(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report("unlink", handle.pointee.nameForMessages) { () throws(Failure) in
    unsafe try handle.pointee.removeName()
  }
}

@c @implementation
public func zinc_region_is_linked(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return 0 }
  return unsafe handle.pointee.isLinked ? 1 : 0
}

@c @implementation
public func zinc_region_keep(_ handle: ZincHandle?, _ lease: UInt64) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report("keep", handle.pointee.nameForMessages) { () throws(Failure) in
    unsafe try handle.pointee.keeping().take(lease: lease)
  }
}

@c @implementation
public func zinc_region_give_back(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report("give back", handle.pointee.nameForMessages) { () throws(Failure) in
    unsafe try handle.pointee.keeping().giveBack()
  }
}

@c @implementation
public func zinc_reclaim(
  _ tell: (@convention(c) (UnsafePointer<CChar>?, UInt64, UnsafeMutableRawPointer?) -> Void)?,
  _ context: UnsafeMutableRawPointer?
) -> UInt64 {
  var freed: UInt64 = 0
  unsafe RegionName.reclaimAll { name, bytes in
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
public func zinc_region_await(
  _ name: UnsafePointer<CChar>?, _ options: UnsafePointer<ZincOptions>?,
  _ wait: UnsafePointer<ZincWaitOptions>?, _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attachByName("wait for", name, out) { path throws(Failure) in
    guard let wait = unsafe valid(wait), wait.flags & ~UInt32(ZINC_WAIT_INTERRUPTIBLE) == 0 else {
      throw Failure(EINVAL, "wait is null, its size is wrong, or it has a flag of another call")
    }
    return unsafe try Attachment.open(
      path, RegionOptions(options), awaiting: wait.deadline_ns,
      isInterruptible: wait.flags & UInt32(ZINC_WAIT_INTERRUPTIBLE) != 0)
  }
}

@c @implementation
public func zinc_region_examine(
  _ name: UnsafePointer<CChar>?, _ info: UnsafeMutablePointer<ZincRegionInfo>?
) -> Int32 {
  unsafe report("examine", name) { () throws(Failure) in
    guard let info = unsafe info, unsafe info.pointee.size >= RegionName.smallestInfo
    else { throw Failure(EINVAL, "info is null, or info.size is not sizeof(ZincRegionInfo)") }
    unsafe try RegionName.examine(path(name), info)
  }
}

@c @implementation
public func zinc_region_list(
  _ tell: (@convention(c) (UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void)?,
  _ context: UnsafeMutableRawPointer?
) {
  unsafe RegionName.names().visit { unsafe tell?($0, context) }
}

@c @implementation
public func zinc_place(_ place: UnsafeMutablePointer<ZincPlace>?) -> Int32 {
  unsafe report("find the place", nil) { () throws(Failure) in
    guard let place = unsafe place, unsafe place.pointee.size >= UInt(MemoryLayout<ZincPlace>.size)
    else { throw Failure(EINVAL, "place is null, or place.size is not sizeof(ZincPlace)") }
    unsafe (place.pointee.machine, place.pointee.memory, place.pointee.processes) = (0, 0, 0)
    let found = try Whereabouts()
    unsafe place.pointee.machine = found.machine
    unsafe place.pointee.memory = found.memory
    unsafe place.pointee.processes = found.processes
  }
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
  guard let handle = unsafe attachment(handle), unsafe handle.pointee.isAnonymous else {
    return -EINVAL
  }
  return unsafe zinc_region_held_descriptor(handle)
}

@c @implementation
public func zinc_region_held_descriptor(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  var descriptor: Int32 = -1
  let name = unsafe handle.pointee.nameForMessages
  let status = unsafe report("find the descriptor", name) { () throws(Failure) in
    unsafe descriptor = try handle.pointee.heldDescriptor()
  }
  return status < 0 ? status : descriptor
}

@c @implementation
public func zinc_region_used(_ handle: ZincHandle?, _ bytes: UnsafeMutablePointer<UInt64>?)
  -> Int32
{
  unsafe bytes?.pointee = 0
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report("look at the memory of", handle.pointee.nameForMessages) {
    () throws(Failure) in
    let used = try unsafe handle.pointee.used()
    unsafe bytes?.pointee = used
  }
}

@c @implementation
public func zinc_region_trim(_ handle: ZincHandle?, _ offset: UInt, _ length: UInt) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report("trim", handle.pointee.nameForMessages) { () throws(Failure) in
    try unsafe handle.pointee.trim(
      offset: Int(clamping: offset), count: Int(clamping: length))
  }
}

@c @implementation
public func zinc_region_protect(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report("protect", handle.pointee.nameForMessages) { () throws(Failure) in
    try unsafe handle.pointee.protect()
  }
}

@c @implementation
public func zinc_region_shortfall(_ handle: ZincHandle?, _ flag: UInt32)
  -> UnsafePointer<CChar>?
{
  let none: StaticString = ""
  guard let handle = unsafe attachment(handle) else { return unsafe none.cString }
  let found = unsafe handle.pointee.shortfalls
  switch RegionOptions.Flags(rawValue: flag) {
  case .hugepages: return unsafe found.hugepages.cString
  case .prefault: return unsafe found.prefault.cString
  default: return unsafe none.cString
  }
}

@c @implementation
public func zinc_region_is_readonly(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return 0 }
  return unsafe handle.pointee.isReadonly ? 1 : 0
}

@c @implementation
public func zinc_region_is_created(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return 0 }
  return unsafe handle.pointee.isCreated ? 1 : 0
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
public func zinc_region_is_alone(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  var isAlone = false
  let status = unsafe report("ask who is attached", handle.pointee.name) { () throws(Failure) in
    isAlone = try unsafe Attachment.isAlone(handle)
  }
  return status < 0 ? status : isAlone ? 1 : 0
}

@c @implementation
public func zinc_region_stop(_ handle: ZincHandle?) {
  if let handle = unsafe attachment(handle) { unsafe handle.pointee.notification.endWaits() }
}

@c @implementation
public func zinc_region_rename(_ handle: ZincHandle?, _ name: UnsafePointer<CChar>?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  var isRenamed = false
  let status = unsafe report("rename", handle.pointee.nameForMessages) { () throws(Failure) in
    isRenamed = unsafe try Attachment.rename(handle, to: path(name))
  }
  return status < 0 ? status : isRenamed ? 1 : 0
}

/// Hands out the handle that `body` makes; a failure leaves null there.
@inline(never)
func attach(
  _ operation: StaticString, _ out: UnsafeMutablePointer<ZincHandle?>?,
  name: UnsafePointer<CChar>? = nil, _ body: () throws(Failure) -> Attachment.Handle
) -> Int32 {
  unsafe out?.pointee = nil
  return unsafe report(operation, name) { () throws(Failure) in
    guard let out = unsafe out else { throw Failure(EINVAL, "the place for the handle is null") }
    unsafe out.pointee = unsafe UnsafeMutableRawPointer(try body())
  }
}

@inline(never)
func attachByName(
  _ operation: StaticString, _ name: UnsafePointer<CChar>?,
  _ out: UnsafeMutablePointer<ZincHandle?>?,
  _ body: (borrowing RegionPath) throws(Failure) -> Attachment.Handle
) -> Int32 {
  unsafe attach(operation, out, name: name) { () throws(Failure) in
    unsafe try body(path(name))
  }
}

func path(_ name: UnsafePointer<CChar>?) throws(Failure) -> RegionPath {
  guard let name = unsafe name else { throw Failure(EINVAL, "the name is null") }
  return unsafe try RegionPath(name)
}

extension RegionOptions {
  /// Of the caller's struct, as it was at first; layout.c asserts it.
  private static let sizeBeforeContents = 40

  /// The options of a C caller; null asks for nothing special. EINVAL for a size that
  /// is not this struct's.
  init(_ options: UnsafePointer<ZincOptions>?) throws(Failure) {
    self.init()
    guard let given = unsafe options else { return }
    let size = unsafe given.pointee.size
    guard size >= RegionOptions.sizeBeforeContents else {
      throw Failure(EINVAL, "options.size must be sizeof(ZincOptions)")
    }
    var options = unsafe ZincOptions()
    unsafe withUnsafeMutableBytes(of: &options) { copy in
      unsafe copy.copyMemory(
        from: UnsafeRawBufferPointer(start: given, count: min(Int(clamping: size), copy.count)))
    }
    flags = unsafe Flags(rawValue: options.flags)
    if unsafe options.mode != 0 { mode = unsafe options.mode }
    kind = unsafe options.kind
    group = unsafe options.group
    guard flags.contains(.group) || group == 0 else {
      throw Failure(EINVAL, "options.group is set, and the flag ZINC_GROUP is not")
    }
    guard unsafe options.metadata != nil || options.metadata_length == 0 else {
      throw Failure(EINVAL, "the metadata is null, and its length is not 0")
    }
    if let bytes = unsafe options.metadata {
      // Longer than there is room for is longer than there is room for.
      unsafe metadata = UnsafeRawBufferPointer(
        start: bytes, count: Int(clamping: options.metadata_length))
    }
    guard unsafe options.contents != nil || options.contents_length == 0 else {
      throw Failure(EINVAL, "the contents are null, and their length is not 0")
    }
    if let bytes = unsafe options.contents {
      unsafe contents = UnsafeRawBufferPointer(
        start: bytes, count: Int(clamping: options.contents_length))
    }
    guard unsafe options.pieces != nil || options.piece_count == 0 else {
      throw Failure(EINVAL, "the pieces are null, and their count is not 0")
    }
    if let first = unsafe options.pieces {
      unsafe pieces = UnsafeBufferPointer(
        start: first, count: Int(clamping: options.piece_count))
    }
  }
}
