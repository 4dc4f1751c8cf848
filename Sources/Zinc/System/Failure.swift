internal import CZinc

/// What went wrong, as the place that found it knows it. The edge of the
/// library adds the call and the region (see `Message`).
///
/// Four words: so many come back from a call in registers, and what is larger would be copied
/// by each of those that let it through, which was a third of the library.
struct Failure: Error {
  /// What it means and what to do, the errno, and whether a system call failed.
  private let head: UInt64
  /// What each `%` of the text stands for; or the call that failed.
  let figures: (UInt64, UInt64, UInt64)

  private static let failedCall: UInt64 = 1 << 31

  /// Of a positive errno.
  @inline(__always)
  init(_ code: Int32, _ text: StaticString) {
    unsafe self.init(UInt64(UInt32(bitPattern: code)), text.cString)
  }

  // Most have no figures, and each of those would pass on three zeros.
  @inline(never)
  private init(_ code: UInt64, _ text: UnsafePointer<CChar>) {
    unsafe self.init(code, text, 0, 0, 0)
  }

  /// Of a positive errno; each `%` of the text stands for the next figure.
  @inline(__always)
  init(
    _ code: Int32, _ text: StaticString, _ first: UInt64, _ second: UInt64 = 0,
    _ third: UInt64 = 0
  ) {
    unsafe self.init(UInt64(UInt32(bitPattern: code)), text.cString, first, second, third)
  }

  @inline(never)
  private init(
    _ code: UInt64, _ text: UnsafePointer<CChar>, _ first: UInt64, _ second: UInt64, _ third: UInt64
  ) {
    head = unsafe Failure.distance(of: text) << 32 | code
    figures = (first, second, third)
  }

  /// A failed system call, `code` being its errno; the text may be more than that tells.
  @inline(__always)
  init(system call: StaticString, _ code: Int32, _ text: StaticString? = nil) {
    unsafe self.init(call.cString, code, text?.cString)
  }

  @inline(never)
  private init(_ call: UnsafePointer<CChar>, _ code: Int32, _ text: UnsafePointer<CChar>?) {
    let text = unsafe text ?? Failure.explanation(of: code, in: call).cString
    let code = UInt64(UInt32(bitPattern: code)) | Failure.failedCall
    unsafe self.init(code, text, Failure.distance(of: call), 0, 0)
  }

  /// A positive errno.
  var code: Int32 { Int32(truncatingIfNeeded: head & (Failure.failedCall - 1)) }

  var text: UnsafePointer<CChar> { unsafe Failure.literal(head >> 32) }

  /// The system call that failed, if one did.
  var call: UnsafePointer<CChar>? {
    head & Failure.failedCall == 0 ? nil : unsafe Failure.literal(figures.0)
  }

  /// All literals of a library or program lie within two gigabytes of each other.
  private static func distance(of literal: UnsafePointer<CChar>) -> UInt64 {
    unsafe UInt64(UInt32(truncatingIfNeeded: literal - origin))
  }

  private static func literal(_ distance: UInt64) -> UnsafePointer<CChar> {
    unsafe origin + Int(Int32(truncatingIfNeeded: distance))
  }

  private static var origin: UnsafePointer<CChar> { unsafe StaticString("malloc").cString }

  /// Do the owner and the mode of a file decide whether a user may make the call?
  private static func isAboutAName(_ call: UnsafePointer<CChar>) -> Bool {
    unsafe strcmp(call, "open") == 0 || strcmp(call, "linkat") == 0 || strcmp(call, "unlink") == 0
  }

  /// What the C functions return: the design folds EACCES into EPERM.
  var status: Int32 { code == EACCES ? -EPERM : -code }

  private static func explanation(of code: Int32, in call: UnsafePointer<CChar>)
    -> StaticString
  {
    switch code {
    case EACCES, EPERM, ENOSYS:
      unsafe isAboutAName(call) && code != ENOSYS
        ? "this user may not do that; look at the region's owner and mode"
        : "the system forbids this process the call: a seccomp filter, a sandbox or an old kernel"
    case EROFS: "/dev/shm can only be read here; open the region read-only"
    case ENOENT: "not found; are /dev/shm and /proc mounted?"
    case ENOSPC:
      "no room in /dev/shm; free some, or enlarge it (mount -o remount,size=...,nr_inodes=...)"
    case EMFILE: "this process has no descriptor left; close some, or raise ulimit -n"
    case ENFILE: "the system has no descriptor left"
    case ENOMEM: "no address space or memory left; see ulimit -v and vm.max_map_count"
    case EOPNOTSUPP: "the file system of /dev/shm can't do this; mount a tmpfs there"
    default: "the system refused"
    }
  }
}

/// malloc(3), or ENOMEM; to be given to `czinc_free`.
func allocate(_ size: UInt) throws(Failure) -> UnsafeMutableRawPointer {
  guard let memory = unsafe czinc_allocate(size) else { throw Failure(system: "malloc", ENOMEM) }
  return unsafe memory
}

/// A C function's result: the number, or what its negative errno says.
@discardableResult
@inline(__always)
func check(_ result: Int32, _ call: StaticString) throws(Failure) -> Int32 {
  if result < 0 { throw Failure(system: call, -result) }
  return result
}
