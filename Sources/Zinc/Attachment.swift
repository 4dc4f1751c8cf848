internal import CZinc
internal import Synchronization

/// What a handle points to: one process's hold on one region.
///
/// `Handle` is what the bindings carry around: a pointer to a struct costs nothing
/// to follow, a class reference two atomic operations a call.
@safe struct Attachment: ~Copyable {
  typealias Handle = UnsafeMutablePointer<Attachment>

  /// Nil for an anonymous region.
  let path: RegionPath?
  let header: Header
  let data: UnsafeMutableRawPointer
  let file: RegionFile
  /// The data can't be written through this handle.
  let isReadonly: Bool
  /// The header can: notify, and take tickets.
  let canNotify: Bool
  private let mapping: Mapping

  /// Holds the attach lock of a region with a name; is the region, without one. Nil
  /// once detached; `AttachedHandles` says who may do that.
  var descriptor: Descriptor?
  var links = AttachedHandles.Links()

  /// The sequence that this handle saw last.
  let seen = Atomic<UInt32>(0)
  /// How many tickets the last notification through this handle found.
  let ticketsFound = Atomic<UInt32>(0)
  let waits = WaitsInFlight()
  let spin = SpinBudget()

  init(
    _ path: consuming RegionPath?, _ descriptor: consuming Descriptor,
    _ mapping: consuming Mapping, _ file: RegionFile, isReadonly: Bool, canNotify: Bool
  ) {
    unsafe data = unsafe mapping.base + file.dataOffset
    header = unsafe Header(mapping.base)
    self.file = file
    self.path = path
    self.descriptor = consume descriptor
    self.mapping = mapping
    self.isReadonly = isReadonly
    self.canNotify = canNotify
  }

  var capacity: Int { file.capacity }

  /// See `Header.Flags.wakeAlways`.
  var wakesAlways: Bool { file.flags.contains(.wakeAlways) }

  /// What `create` was given to keep, valid as long as the attachment. Its length is
  /// ours; its bytes are the file's, which others can scribble on.
  var metadata: UnsafeRawBufferPointer { unsafe header.metadata(count: file.metadataLength) }

  /// The descriptor that stands for an anonymous region.
  var anonymousDescriptor: Int32? {
    guard unsafe name.pointee == 0 else { return nil }
    switch descriptor {
    case .some(let descriptor): return descriptor.raw
    case .none: return nil
    }
  }

  /// NUL-terminated, empty for an anonymous region; valid as long as the attachment.
  var name: UnsafePointer<CChar> {
    switch path {
    case .some(let path): unsafe path.name
    case .none: unsafe StaticString("").cString
    }
  }
}
