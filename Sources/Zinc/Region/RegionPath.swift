internal import CZinc

/// A name that was checked, as the path of its object: `/dev/shm/zinc_NAME`.
@safe struct RegionPath: ~Copyable {
  static let entryPrefix: StaticString = "zinc_"
  private static var prefixLength: Int {
    unsafe strlen(SharedFolder.path) + 1 + entryPrefix.utf8CodeUnitCount
  }
  static let longestName = 250
  /// Of what an object's name has behind its store's: a dash and sixteen digits.
  static let objectLength = 17

  private let path: UnsafeMutablePointer<CChar>

  /// Takes a NUL-terminated name that matches `[A-Za-z0-9_-]{1,250}`; EINVAL for
  /// any other. Nothing past the first byte that does not fit is read.
  init(_ name: UnsafePointer<CChar>) throws(Failure) {
    var length = 0
    while unsafe name[length] != 0 {
      let character = unsafe UInt8(bitPattern: name[length])
      length += 1
      guard RegionPath.allows(character), length <= RegionPath.longestName else {
        throw RegionPath.invalidName
      }
    }
    guard length > 0 else { throw RegionPath.invalidName }

    let prefix = RegionPath.prefixLength
    unsafe path = try RegionPath.memory(prefix + length + 1)
    unsafe czinc_join(
      path, UInt(prefix + length + 1), SharedFolder.path, "/zinc_", 6, name)
  }

  private init(owning path: UnsafeMutablePointer<CChar>) { unsafe self.path = unsafe path }

  private init(copying other: UnsafePointer<CChar>) throws(Failure) {
    let size = unsafe strlen(other) + 1
    unsafe path = try RegionPath.memory(size)
    unsafe memcpy(path, other, size)
  }

  deinit { unsafe czinc_free(path) }

  /// The same path, in memory of its own.
  func copy() throws(Failure) -> RegionPath { unsafe try RegionPath(copying: cString) }

  /// That of an object of the store that this is one of, whose name leaves room for it.
  func object(_ number: UInt64) throws(Failure) -> RegionPath {
    let length = unsafe strlen(cString)
    let path = unsafe try RegionPath.memory(length + RegionPath.objectLength + 1)
    unsafe memcpy(path, cString, length)
    unsafe path[length] = CChar(bitPattern: UInt8(ascii: "-"))
    for i in 0..<16 {
      let digit = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * i)) & 15
      let first = digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10
      unsafe path[length + 1 + i] = CChar(bitPattern: first + digit)
    }
    unsafe path[length + RegionPath.objectLength] = 0
    return unsafe RegionPath(owning: path)
  }

  /// That of the store of which this is an object's. EINVAL if it is none's.
  func store() throws(Failure) -> RegionPath {
    let length = unsafe strlen(cString) - RegionPath.objectLength
    guard length > RegionPath.prefixLength,
      unsafe cString[length] == CChar(bitPattern: UInt8(ascii: "-"))
    else { throw RegionPath.invalidName }
    let copy = try copy()
    unsafe copy.path[length] = 0
    return copy
  }

  /// Is this the name of an object of the store that this is?
  func hasObject(_ other: UnsafePointer<CChar>) -> Bool {
    let length = unsafe strlen(name)
    return unsafe strncmp(other, name, length) == 0
      && other[length] == CChar(bitPattern: UInt8(ascii: "-"))
      && strlen(other + length) == RegionPath.objectLength
  }

  private static func memory(_ size: Int) throws(Failure) -> UnsafeMutablePointer<CChar> {
    unsafe try allocate(UInt(size)).assumingMemoryBound(to: CChar.self)
  }

  /// NUL-terminated, valid as long as this path.
  var cString: UnsafePointer<CChar> { unsafe UnsafePointer(path) }

  /// The name without the prefix, valid as long as this path.
  var name: UnsafePointer<CChar> { unsafe cString + RegionPath.prefixLength }

  static var invalidName: Failure {
    Failure(EINVAL, "a name has 1 to 250 characters out of A-Z, a-z, 0-9, _ and -")
  }

  private static func allows(_ character: UInt8) -> Bool {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
}
