internal import CZinc
internal import Synchronization

/// What a handle points to: one process's hold on one region.
///
/// `Handle` is what the bindings carry around: a pointer to a struct costs nothing
/// to follow, a class reference two atomic operations a call.
@safe struct Attachment: ~Copyable {
  typealias Handle = UnsafeMutablePointer<Attachment>

  let path: RegionPath
  let header: Header
  let data: UnsafeMutableRawPointer
  let capacity: Int
  /// The data can't be written through this handle.
  let isReadonly: Bool
  /// The header can: notify, and take tickets.
  let canNotify: Bool
  /// See `Header.Flags.wakeAlways`.
  let wakesAlways: Bool
  private let mapping: Mapping

  /// Holds the attach lock. Nil once detached; `AttachedHandles` says who may do that.
  var lock: Descriptor?
  var links = AttachedHandles.Links()

  /// The sequence that this handle saw last.
  let seen = Atomic<UInt32>(0)
  let waits = WaitsInFlight()
  let spin = SpinBudget()

  init(
    _ path: consuming RegionPath, _ lock: consuming Descriptor, _ mapping: consuming Mapping,
    _ file: RegionFile, isReadonly: Bool, canNotify: Bool
  ) {
    unsafe data = unsafe mapping.base + file.dataOffset
    header = unsafe Header(mapping.base)
    capacity = file.capacity
    wakesAlways = file.flags.contains(.wakeAlways)
    self.path = path
    self.lock = consume lock
    self.mapping = mapping
    self.isReadonly = isReadonly
    self.canNotify = canNotify
  }
}
