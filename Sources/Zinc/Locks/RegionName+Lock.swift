extension RegionName {
  /// Who has the own lock of the region of this name, without attaching.
  static func look(_ path: borrowing RegionPath) throws(Failure) -> LockRecord.Look {
    unsafe try withHeader(path) { (base, file) throws(Failure) in
      let header = unsafe Header(base)
      return unsafe try LockRecord(header.lock).look(header.seats, file)
    }
  }
}
