internal import CZinc

extension RegionName {
  /// What can be told of a region from outside: without attaching, locking or changing
  /// anything, so that its users never notice. Works for whoever may read it.
  ///
  /// The whole is not one moment: what is told of notifications may be newer than what is
  /// told of who is attached.
  static func examine(_ path: borrowing RegionPath, _ info: UnsafeMutablePointer<ZincRegionInfo>)
    throws(Failure)
  {
    ForkGate.enter()
    defer { ForkGate.leave() }
    guard let object = try open(path, orReadonly: true) else { throw notFound }
    let status = try object.status()
    let header = try RegionFile.header(of: object, status)
    let file = RegionFile(header, status)
    let isPersistent = file.flags.contains(.persistent)
    var isAttached = false
    if case .shared = try object.lockOfOthers(.attached) { isAttached = true }
    let unattached = isPersistent || RegionFile.isKept(header) ? ZINC_UNATTACHED : ZINC_DEAD
    unsafe info.pointee.state = UInt32(isAttached ? ZINC_ATTACHED : unattached)
    unsafe info.pointee.capacity = UInt64(file.capacity)
    unsafe info.pointee.data_offset = UInt64(file.dataOffset)
    unsafe info.pointee.memory = status.memory
    unsafe info.pointee.id = file.id
    unsafe info.pointee.created_at = header.created_at
    unsafe info.pointee.device = status.device
    unsafe info.pointee.inode = status.inode
    let wakesAlways = file.flags.contains(.wakeAlways)
    unsafe info.pointee.flags =
      (isPersistent ? UInt32(ZINC_PERSISTENT) : 0) | (wakesAlways ? UInt32(ZINC_WAKES_ALWAYS) : 0)
    unsafe info.pointee.mode = status.mode & 0o7777
    unsafe info.pointee.owner = status.owner
    unsafe info.pointee.creator_pid = header.creator_pid
    unsafe info.pointee.sequence = header.sequence
    unsafe info.pointee.parked = header.parked
    unsafe info.pointee.woken = header.woken
    unsafe info.pointee.kind = file.kind
    unsafe info.pointee.metadata_length = UInt32(file.metadataLength)
    // The last field; layout.c asserts it.
    let fixed = MemoryLayout<ZincRegionInfo>.size - Header.metadataCapacity
    let metadata = unsafe UnsafeMutableRawPointer(info) + fixed
    let count = UInt(file.metadataLength)
    let offset = Int64(Header.metadataOffset)
    try check(Int32(clamping: unsafe czinc_pread(object.raw, metadata, count, offset)), "pread")
  }
}
