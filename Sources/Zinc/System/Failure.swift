internal import CZinc

/// What went wrong, as the place that found it knows it. The edge of the
/// library adds the call and the region (see `Message`).
struct Failure: Error {
  /// A positive errno.
  let code: Int32
  /// What it means and what to do. Each `%` stands for the next figure.
  let text: StaticString
  var figures: (UInt64, UInt64, UInt64) = (0, 0, 0)
  /// The system call that failed, if one did.
  var call: StaticString?

  init(
    _ code: Int32, _ text: StaticString, _ first: UInt64 = 0, _ second: UInt64 = 0,
    _ third: UInt64 = 0
  ) {
    self.code = code
    self.text = text
    figures = (first, second, third)
  }

  /// A failed system call, `code` being its errno.
  init(system call: StaticString, _ code: Int32) {
    self.code = code
    self.call = call
    text = Failure.explanation(of: code, in: call)
  }

  /// Do the owner and the mode of a file decide whether a user may make the call?
  private static func isAboutAName(_ call: StaticString) -> Bool {
    unsafe strcmp(call.cString, "open") == 0 || strcmp(call.cString, "linkat") == 0
      || strcmp(call.cString, "unlink") == 0
  }

  /// What the C functions return: the design folds EACCES into EPERM.
  var status: Int32 { code == EACCES ? -EPERM : -code }

  private static func explanation(of code: Int32, in call: StaticString) -> StaticString {
    switch code {
    case EACCES, EPERM, ENOSYS:
      isAboutAName(call) && code != ENOSYS
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
