internal import CZinc

extension RegionName {
  // layout.c asserts them.
  private static let sizeBeforeMetadata = 104
  /// Of the caller's struct, as it was at first: without the layout.
  static let smallestInfo = sizeBeforeMetadata + Header.metadataCapacity

  /// What can be told of a region from outside: without attaching, locking or changing
  /// anything, so that its users never notice. Works for whoever may read it.
  ///
  /// Of a region of another layout only what no layout changes, and what the system knows; a
  /// caller that was built before there was a place for the layout is told that it can't be read.
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
    let header = try RegionFile.headerOfAnyLayout(of: object, status)
    let hasLayout = unsafe info.pointee.size >= MemoryLayout<ZincRegionInfo>.size
    if header.version != Header.version {
      if !hasLayout { throw RegionFile.foreign(header) }
      let size = unsafe info.pointee.size
      unsafe info.pointee = ZincRegionInfo()
      unsafe info.pointee.size = size
    }
    if hasLayout { unsafe info.pointee.layout = UInt32(header.version) }
    let flags = Header.Flags(rawValue: header.flags)
    let isPersistent = flags.contains(.persistent)
    var isAttached = false
    if case .shared = try object.lockOfOthers(.attached) { isAttached = true }
    let gone = header.owner != 0 && !isThere(header.owner, of: path) ? header.owner : 0
    let unattached =
      RegionFile.outlivesItsUsers(header, after: gone) ? ZINC_UNATTACHED : ZINC_DEAD
    unsafe info.pointee.state = UInt32(isAttached ? ZINC_ATTACHED : unattached)
    unsafe info.pointee.flags = isPersistent ? UInt32(ZINC_PERSISTENT) : 0
    unsafe info.pointee.memory = status.memory
    unsafe info.pointee.device = status.device
    unsafe info.pointee.inode = status.inode
    unsafe info.pointee.mode = status.mode & 0o7777
    unsafe info.pointee.owner = status.owner
    guard header.version == Header.version else { return }
    let file = RegionFile(header, status)
    unsafe info.pointee.capacity = UInt64(file.capacity)
    unsafe info.pointee.data_offset = UInt64(file.dataOffset)
    unsafe info.pointee.id = file.id
    unsafe info.pointee.created_at = header.created_at
    if flags.contains(.wakeAlways) { unsafe info.pointee.flags |= UInt32(ZINC_WAKES_ALWAYS) }
    unsafe info.pointee.creator_pid = header.creator_pid
    unsafe info.pointee.sequence = header.sequence
    unsafe info.pointee.parked = header.parked
    unsafe info.pointee.woken = header.woken
    unsafe info.pointee.kind = file.kind
    unsafe info.pointee.metadata_length = UInt32(file.metadataLength)
    let metadata = unsafe UnsafeMutableRawPointer(info) + sizeBeforeMetadata
    let count = UInt(file.metadataLength)
    let offset = Int64(Header.metadataOffset)
    try check(Int32(clamping: unsafe czinc_pread(object.raw, metadata, count, offset)), "pread")
  }
}
