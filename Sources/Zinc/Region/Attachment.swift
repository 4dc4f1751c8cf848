internal import CZinc

/// What a handle points to: one process's hold on one region.
///
/// `Handle` is what the bindings carry around: a pointer to a struct costs nothing
/// to follow, a class reference two atomic operations a call.
@safe struct Attachment: ~Copyable {
  typealias Handle = UnsafeMutablePointer<Attachment>

  /// Nil for an anonymous region, and once closed.
  var path: RegionPath?
  let data: UnsafeMutableRawPointer
  let file: RegionFile
  /// The data can't be written through this handle.
  private(set) var isReadonly: Bool
  /// The call that made the handle made the region.
  let isCreated: Bool
  let notification: Notification
  let header: Header
  var seat = Seat()
  /// Nil once closed.
  private var mapping: Mapping?

  /// Holds the attach lock of a region with a name; is the region, without one. Nil
  /// once detached; `AttachedHandles` says who may do that.
  var descriptor: Descriptor?
  /// The `ForkGate.epoch` of its description, which children forked since then share.
  var descriptionEpoch = ForkGate.epoch
  var links = AttachedHandles.Links()
  var shortfalls = Shortfalls()

  init(
    _ path: consuming RegionPath?, _ descriptor: consuming Descriptor?,
    _ mapping: consuming Mapping, _ file: RegionFile, isReadonly: Bool, canNotify: Bool,
    isCreated: Bool = false
  ) {
    unsafe data = unsafe mapping.base + file.dataOffset
    let header = unsafe Header(mapping.base)
    self.header = header
    notification = Notification(
      header.words, canNotify: canNotify, wakesAlways: file.flags.contains(.wakeAlways))
    self.file = file
    self.path = path
    self.descriptor = consume descriptor
    self.mapping = consume mapping
    self.isReadonly = isReadonly
    self.isCreated = isCreated
  }

  /// Removes the region's name, if it still leads to this region.
  func removeName() throws(Failure) {
    switch path {
    case .some(let path): try RegionName.unlink(path, .own(file))
    case .none: throw Failure(EINVAL, "an anonymous region has no name to remove")
    }
  }

  /// Does the name still lead to this region? Not for an anonymous one.
  var isLinked: Bool {
    switch path {
    case .some(let path): RegionName.leads(path, to: file)
    case .none: false
    }
  }

  /// The words that let the region outlive its last user. EINVAL for one that nobody could open
  /// then, EACCES where they can't be written.
  func keeping() throws(Failure) -> Keeping {
    guard !isAnonymous else {
      throw Failure(EINVAL, "a region without a name can't be opened once its users have gone")
    }
    guard notification.canNotify else {
      throw Failure(EACCES, "this user may only read the region")
    }
    return header.keeping
  }

  /// Frees what a closed handle need not keep; its memory stays, and its `notification` says
  /// to latecomers that it is closed.
  mutating func clear() {
    mapping = nil
    path = nil
  }

  /// Forbids writes to the data through this handle, as if it had been opened so.
  mutating func protect() throws(Failure) {
    switch mapping {
    case .some(let mapping): try mapping.protect(from: file.dataOffset)
    case .none: throw Failure(EINVAL, "the region is closed")
    }
    isReadonly = true
  }

  /// EINVAL once closed.
  func withMapping(_ body: (borrowing Mapping) -> Int32) -> Int32 {
    switch mapping {
    case .some(let mapping): body(mapping)
    case .none: -EINVAL
    }
  }

  var capacity: Int { file.capacity }

  /// What `create` was given to keep, valid as long as the attachment. Its length is
  /// ours; its bytes are the file's, which others can scribble on.
  var metadata: UnsafeRawBufferPointer { unsafe header.metadata(count: file.metadataLength) }

  /// The number of the descriptor that it keeps open as long as it is attached. EBADF if code
  /// that knows nothing of it has closed it: what becomes a daemon closes all that it finds.
  func heldDescriptor() throws(Failure) -> Int32 {
    switch descriptor {
    case .some(let descriptor):
      if owns(descriptor) { return descriptor.raw }
      throw closedBehind
    case .none: throw Failure(EINVAL, "the region is closed, or has no descriptor")
    }
  }

  var closedBehind: Failure {
    Failure(
      EBADF,
      "other code of this process has closed its descriptor; keep those that descriptors() tells")
  }

  /// Closes the descriptors, unless they were closed already: the numbers may be a stranger's by
  /// now. Inside the gate.
  mutating func closeDescriptors() {
    leaveSeat()
    guard let held = descriptor.take() else { return }
    if !owns(held) { held.forget() }
  }

  /// Gets up, if it sits. Inside the gate.
  mutating func leaveSeat() {
    let file = file
    seat.leave(header.seats) { held in (try? held.status()).map(file.isIn) ?? false }
  }

  private func owns(_ descriptor: borrowing Descriptor) -> Bool {
    guard let status = try? descriptor.status() else { return false }
    return file.isIn(status)
  }

  var isAnonymous: Bool { unsafe name.pointee == 0 }

  /// The name, nil for an anonymous region.
  @inline(never)
  var nameForMessages: UnsafePointer<CChar>? { unsafe isAnonymous ? nil : name }

  /// NUL-terminated, empty for an anonymous region; valid as long as the attachment.
  var name: UnsafePointer<CChar> {
    switch path {
    case .some(let path): unsafe path.name
    case .none: unsafe StaticString("").cString
    }
  }
}
