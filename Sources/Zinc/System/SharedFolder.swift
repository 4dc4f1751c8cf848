/// Where the system keeps memory that has a name (shm_overview(7)).
enum SharedFolder {
  static let path: StaticString = "/dev/shm"
}

extension StaticString {
  /// NUL-terminated; lasts for ever.
  var cString: UnsafePointer<CChar> {
    unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
