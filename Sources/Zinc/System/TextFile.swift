internal import CZinc

/// The start of a small file; empty where it can't be read, or there is no memory for it.
@safe struct TextFile: ~Copyable {
  private static let longest = 8192
  private let start: UnsafeMutablePointer<CChar>?

  init(_ path: UnsafePointer<CChar>) {
    unsafe start = czinc_allocate(UInt(TextFile.longest))?.assumingMemoryBound(to: CChar.self)
    guard let start = unsafe start else { return }
    ForkGate.enter()
    defer { ForkGate.leave() }
    var count: Int64 = 0
    if let file = try? unsafe Descriptor(opening: path, isWritable: false) {
      count = unsafe max(0, czinc_pread(file.raw, start, UInt(TextFile.longest - 1), 0))
    }
    unsafe start[Int(count)] = 0
  }

  deinit { unsafe czinc_free(start) }

  /// The number that stands at the start of a line after `key` and spaces.
  func number(after key: StaticString) -> UInt64? {
    var result: UInt64?
    unsafe forEachLine { line in
      guard result == nil, unsafe strncmp(line, key.cString, key.utf8CodeUnitCount) == 0 else {
        return
      }
      var value: UInt64 = 0
      if unsafe czinc_number(line + key.utf8CodeUnitCount, &value) != 0 { result = value }
    }
    return result
  }

  /// How many numbers a list such as `0-3,8` has (cpuset(7), *List format*); nil for none.
  func countOfList() -> UInt64? {
    var count: UInt64 = 0
    unsafe forEachLine { line in
      var next = unsafe UnsafePointer(line)
      while true {
        var (first, last) = (UInt64(0), UInt64(0))
        guard let end = unsafe czinc_range(next, &first, &last), last >= first else { return }
        count &+= last - first + 1
        unsafe next = unsafe end
      }
    }
    return count == 0 ? nil : count
  }

  /// Each line as a C string, for as long as the call lasts.
  func forEachLine(_ body: (UnsafeMutablePointer<CChar>) -> Void) {
    let newline = UInt8(ascii: "\n")
    guard var line = unsafe start else { return }
    while unsafe line.pointee != 0 {
      let end = unsafe strchr(line, Int32(newline))
      if let end = unsafe end { unsafe end.pointee = 0 }
      unsafe body(line)
      guard let end = unsafe end else { break }
      unsafe end.pointee = CChar(bitPattern: newline)
      unsafe line = end + 1
    }
  }
}
