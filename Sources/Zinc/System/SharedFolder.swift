internal import CZinc

/// Where the system keeps memory that has a name (shm_overview(7)).
enum SharedFolder {
  static var path: UnsafePointer<CChar> { unsafe czinc_folder() }

  /// The names of at most `limit` objects there that begin with `prefix`, without it; fewer
  /// where there is no memory for more. Read at once, so that nothing is open when the
  /// caller looks at them.
  static func names(after prefix: UnsafePointer<CChar>, limit: Int = .max) -> NameList {
    var names = NameList()
    ForkGate.enter()
    defer { ForkGate.leave() }
    guard let folder = unsafe czinc_opendir(path) else { return names }
    defer { unsafe czinc_closedir(folder) }
    let length = unsafe strlen(prefix)
    while names.count < limit, let entry = unsafe czinc_readdir(folder) {
      guard unsafe strncmp(entry, prefix, length) == 0 else { continue }
      guard unsafe names.append(entry + length) else { break }
    }
    return names
  }
}

/// Names one after another in memory of its own.
@safe struct NameList: ~Copyable {
  private var bytes: UnsafeMutablePointer<CChar>?
  private var used = 0
  private var room = 0
  private(set) var count = 0

  init() {}

  deinit { unsafe czinc_free(bytes) }

  /// False if there is no memory for it.
  fileprivate mutating func append(_ name: UnsafePointer<CChar>) -> Bool {
    let size = unsafe strlen(name) + 1
    if used + size > room {
      let more = max(4096, 2 * room)
      guard let larger = unsafe czinc_reallocate(bytes, UInt(more)) else { return false }
      unsafe bytes = unsafe larger.assumingMemoryBound(to: CChar.self)
      room = more
    }
    guard let bytes = unsafe bytes else { return false }
    unsafe memcpy(bytes + used, name, size)
    used += size
    count += 1
    return true
  }

  /// Each name as a C string, for as long as the call lasts.
  func visit(_ body: (UnsafePointer<CChar>) -> Void) {
    unsafe visit(from: 0) { name in
      unsafe body(name)
      return true
    }
  }

  /// The same, beginning with the one at `first`, until all were there or `body` says no.
  func visit(from first: Int, _ body: (UnsafePointer<CChar>) -> Bool) {
    guard let bytes = unsafe bytes else { return }
    var start = 0
    for i in 0..<first + count {
      if start == used { start = 0 }
      let name = unsafe UnsafePointer(bytes + start)
      start += unsafe strlen(name) + 1
      if unsafe i >= first && !body(name) { return }
    }
  }
}

extension StaticString {
  /// NUL-terminated; lasts for ever.
  var cString: UnsafePointer<CChar> {
    unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
