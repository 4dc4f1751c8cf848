internal import CZinc

/// A region of memory that this process shares with others: attached as long as
/// this value lives.
///
///     let frames = try SharedRegion.create("frames", capacity: 64 << 20)
///     frames.withUnsafeMutableBytes { $0[0] = 1 }
///     frames.notify()
///
/// Any number of threads may use one value at once. What several processes or
/// threads write to the same bytes at the same time is for them to agree on. A
/// region goes away with its last user in any process; a forked child that goes on
/// using it counts.
@safe public struct SharedRegion: ~Copyable, @unchecked Sendable {
  private let handle: Attachment.Handle

  private init(_ handle: Attachment.Handle) { unsafe self.handle = unsafe handle }

  deinit { unsafe Attachment.close(handle) }

  /// Creates a region of exactly `capacity` zeroed bytes and attaches to it.
  ///
  /// - Parameters:
  ///   - name: 1 to 250 characters out of A-Z, a-z, 0-9, `_` and `-`.
  ///   - capacity: bytes, from 1.
  ///   - mode: permissions as of a file. Must let the owner read and write.
  ///   - isPersistent: the region lasts until it is unlinked, not until its last user
  ///     is gone.
  ///   - reserve: take the memory at once. Otherwise it is taken page by page at the
  ///     first touch, which is a bus error where there is none left.
  /// - Throws: `ZincError`: `alreadyExists`, `invalidArgument`, `noSpace`,
  ///   `notPermitted`, or as the system says.
  public static func create(
    _ name: String, capacity: Int, mode: UInt32 = 0o600, isPersistent: Bool = false,
    reserve: Bool = true
  ) throws(ZincError) -> SharedRegion {
    var options = RegionOptions()
    options.mode = mode
    if isPersistent { options.flags.insert(.persistent) }
    if !reserve { options.flags.insert(.sparse) }
    return unsafe try attach("create", name) { path throws(Failure) in
      unsafe try Attachment.create(path, capacity: capacity, options)
    }
  }

  /// Attaches to the living region of this name.
  ///
  /// - Parameters:
  ///   - name: the name that it was created under.
  ///   - isReadonly: a write to the data through this value is a segmentation fault.
  ///   - anyUser: the region may belong to another user.
  /// - Throws: `ZincError`: `notFound`, `invalidArgument`, `notARegion`,
  ///   `notPermitted`, or as the system says.
  public static func open(_ name: String, isReadonly: Bool = false, anyUser: Bool = false)
    throws(ZincError) -> SharedRegion
  {
    var options = RegionOptions()
    if isReadonly { options.flags.insert(.readonly) }
    if anyUser { options.flags.insert(.anyUser) }
    return unsafe try attach("open", name) { path throws(Failure) in
      unsafe try Attachment.open(path, options)
    }
  }

  /// The name that it was created under.
  public var name: String { unsafe String(cString: handle.pointee.path.name) }

  /// The size of the data in bytes, exactly as it was created.
  public var capacity: Int { unsafe handle.pointee.capacity }

  /// The data can't be written through this value.
  public var isReadonly: Bool { unsafe handle.pointee.isReadonly }

  /// Calls `body` with the data: page-aligned, `capacity` bytes, shared with whoever
  /// is attached. The buffer must not outlive the call.
  public func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(UnsafeRawBufferPointer(start: handle.pointee.data, count: capacity))
  }

  /// As `withUnsafeBytes`, for writing too, unless `isReadonly`. It does not exclude anybody.
  public func withUnsafeMutableBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(UnsafeMutableRawBufferPointer(start: handle.pointee.data, count: capacity))
  }

  /// The number of notifications so far, modulo 2³².
  public var sequence: UInt32 { unsafe handle.pointee.sequence }

  /// Says that there is something new, and wakes who waits. Returns the new sequence.
  ///
  /// What this thread wrote before is seen by whoever returns from a wait because of
  /// it. No system call unless somebody may be asleep. No effect, and 0, where the
  /// region's mode lets this user only read.
  @discardableResult
  public func notify() -> UInt32 { unsafe handle.pointee.notify() }

  /// Is there something that this region value has not seen yet? It has, then. Never sleeps.
  public func tryWait() -> Bool { unsafe handle.pointee.tryWait() }

  /// Waits until there is something that this region value has not seen yet, and
  /// sees it; nil waits for ever. Several notifications may be seen as one, and its
  /// own count too. False if nothing came in time.
  @discardableResult
  public func wait(timeout: Duration? = nil) -> Bool {
    unsafe handle.pointee.wait(
      deadline: SharedRegion.deadline(timeout), isInterruptible: false) == .notified
  }

  /// Waits until the sequence is not `sequence`, such as `notify` returned it, any
  /// more. Leaves alone what `wait(timeout:)` has seen, so that several threads may
  /// wait on one value, or two processes talk both ways over one region.
  @discardableResult
  public func wait(after sequence: UInt32, timeout: Duration? = nil) -> Bool {
    unsafe handle.pointee.wait(
      past: sequence, deadline: SharedRegion.deadline(timeout), isInterruptible: false)
      == .notified
  }

  private static func deadline(_ timeout: Duration?) -> UInt64 {
    guard let timeout else { return .max }
    guard timeout > .zero else { return 0 }
    let (seconds, attoseconds) = timeout.components
    // 292 years and more are for ever.
    guard seconds < Int64.max / 1_000_000_000 - 1 else { return .max }
    let nanoseconds = UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    return czinc_clock(CLOCK_MONOTONIC) + nanoseconds
  }

  /// Calls `body` with the path of `name` and owns the handle that it returns; a
  /// failure gets the call and the name.
  private static func attach(
    _ operation: StaticString, _ name: String,
    _ body: (consuming RegionPath) throws(Failure) -> Attachment.Handle
  ) throws(ZincError) -> SharedRegion {
    let result = unsafe name.withCString { cString -> Result<Attachment.Handle, ZincError> in
      do throws(Failure) {
        // A C string would end there, and name another region.
        if name.utf8.contains(0) { throw RegionPath.invalidName }
        return unsafe .success(try body(RegionPath(cString)))
      } catch {
        return unsafe .failure(ZincError(operation, cString, error))
      }
    }
    return unsafe SharedRegion(try result.get())
  }
}
