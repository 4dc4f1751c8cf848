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
    let memory = unsafe try allocate(UInt(Header.size))
    defer { unsafe czinc_free(memory) }
    let count = unsafe czinc_pread(object.raw, memory, UInt(Header.size), 0)
    try check(Int32(clamping: count), "pread")
    guard count == Header.size else { throw Failure(EBADMSG, "damaged: its file is cut short") }
    return unsafe try body(memory, object)
  }
}
