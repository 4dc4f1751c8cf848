internal import CZinc

extension RegionName {
  /// Tells of each seat on which somebody sits, or did when it was killed, without attaching.
  static func visitSeats(_ path: borrowing RegionPath, _ tell: (ZincSeat) -> Void) throws(Failure) {
    unsafe try withHeader(path) { (base, file) throws(Failure) in
      unsafe try Header(base).seats.visit(file, tell)
    }
  }

  /// A copy of the start of a region's file, and the file.
  static func withHeader<Value>(
    _ path: borrowing RegionPath,
    _ body: (UnsafeMutableRawPointer, borrowing Descriptor) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    ForkGate.enter()
    defer { ForkGate.leave() }
    guard let object = try open(path, orReadonly: true) else { throw notFound }
    _ = try RegionFile.header(of: object, try object.status())
    return unsafe try withCopy(of: object, from: 0, Header.size) { (base) throws(Failure) in
      unsafe try body(base, object)
    }
  }

  /// Calls `body` with a copy of so many bytes of a region's file.
  static func withCopy<Value>(
    of file: borrowing Descriptor, from offset: Int, _ size: Int,
    _ body: (UnsafeMutableRawPointer) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let memory = unsafe try copy(of: file, from: offset, size)
    defer { unsafe czinc_free(memory) }
    return unsafe try body(memory)
  }

  // Apart from `withCopy`, of which there is one for each kind of result.
  @inline(never)
  private static func copy(of file: borrowing Descriptor, from offset: Int, _ size: Int)
    throws(Failure) -> UnsafeMutableRawPointer
  {
    let memory = unsafe try allocate(UInt(size))
    do throws(Failure) {
      let count = unsafe czinc_pread(file.raw, memory, UInt(size), Int64(offset))
      try check(Int32(clamping: count), "pread")
      guard count == size else { throw Failure(EBADMSG, "damaged: its file is cut short") }
      return unsafe memory
    } catch {
      unsafe czinc_free(memory)
      throw error
    }
  }
}
