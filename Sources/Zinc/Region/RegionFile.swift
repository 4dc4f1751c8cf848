internal import CZinc

/// The facts of a region's file that a handle copies and lives by.
struct RegionFile {
  let capacity: Int
  let dataOffset: Int
  let flags: Header.Flags
  /// Tells two regions of one name apart.
  let id: UInt64
  let kind: UInt32
  let metadataLength: Int
  /// Which file it is, once it is one.
  private(set) var device: UInt64 = 0
  private(set) var inode: UInt64 = 0

  var size: Int { dataOffset + capacity }

  /// Is it the file with this status?
  func isIn(_ status: czinc_status) -> Bool { inode == status.inode && device == status.device }

  /// The file of a new region. EINVAL for what no region can have.
  init(capacity: Int, _ options: RegionOptions) throws(Failure) {
    dataOffset = Int(czinc_page_size())
    let largest = Int.max - 2 * dataOffset
    guard (1...largest).contains(capacity) else {
      throw Failure(EINVAL, "the capacity must be 1 to % bytes", UInt64(largest))
    }
    let mode = options.mode
    guard mode & 0o600 == 0o600, mode & ~0o777 == 0 else {
      throw Failure(EINVAL, "the mode must let the owner read and write (0600), and be within 0777")
    }
    if options.flags.contains(.group) {
      guard mode & 0o070 != 0 else {
        throw Failure(
          EINVAL, "the mode gives the group nothing: use 0660, or 0640 if it shall only read")
      }
      // To fchown(2) it says to leave the group alone.
      guard options.group != .max else {
        throw Failure(EINVAL, "no group has the number %", UInt64(options.group))
      }
    }
    metadataLength = unsafe options.metadata.count
    guard metadataLength <= Header.metadataCapacity else {
      throw Failure(
        EINVAL, "% bytes of metadata, and there is room for %", UInt64(metadataLength),
        UInt64(Header.metadataCapacity))
    }
    let contentsLength = unsafe options.contents.count
    guard contentsLength <= capacity else {
      throw Failure(
        EINVAL, "% bytes of contents, and the capacity is %", UInt64(contentsLength),
        UInt64(capacity))
    }
    for index in unsafe options.pieces.indices {
      let piece = unsafe options.pieces[index]
      let (offset, length) = unsafe (piece.offset, piece.length)
      guard offset <= capacity, length <= UInt(capacity) - offset else {
        throw Failure(
          EINVAL, "a piece of % bytes at byte %, and the capacity is %", UInt64(length),
          UInt64(offset), UInt64(capacity))
      }
      guard unsafe piece.bytes != nil || length == 0 else {
        throw Failure(EINVAL, "a piece is null, and its length is not 0")
      }
    }
    var random: UInt64 = 0
    try check(unsafe czinc_random(&random, 8), "getentropy")
    id = random
    kind = options.kind
    self.capacity = capacity
    var flags: Header.Flags = options.flags.contains(.persistent) ? [.persistent] : []
    let readers = mode & 0o044
    let writers = mode & 0o022
    if (readers >> 1) & ~writers != 0 { flags.insert(.wakeAlways) }
    if options.flags.contains(.transient) { flags.insert(.transient) }
    self.flags = flags
  }

  /// Makes a new, empty file this region. Inside the gate, but for what may take long.
  mutating func lay(out pages: borrowing Descriptor, inFolder: Bool, _ options: RegionOptions)
    throws(Failure) -> czinc_status
  {
    let isSparse = options.flags.contains(.sparse)
    try ForkGate.outside(with: pages.raw) { () throws(Failure) in
      let needed = isSparse ? options.written : size
      try AvailableMemory.check(needed, inFolder: inFolder)
      // What is written is not reserved before: that would clear each page only to fill it.
      if options.written > 0 { try fill(pages, options) }
      if options.written == 0 || !isSparse {
        let begun = unsafe options.contents.count
        try pages.allocate(size, sparse: isSparse, from: begun > 0 ? dataOffset + begun : 0)
      }
      if isSparse && options.reserved > 0 {
        try Descriptor.reserve(pages.raw, from: 0, to: dataOffset + options.reserved)
      }
    }
    try write(to: pages, options)
    let status = try pages.status()
    device = status.device
    inode = status.inode
    return status
  }

  /// Gives an empty file its size and its contents. A failure gives back at once what it got.
  private func fill(_ pages: borrowing Descriptor, _ options: RegionOptions) throws(Failure) {
    try pages.allocate(size, sparse: true)
    do throws(Failure) {
      unsafe try pages.write(options.contents, at: dataOffset)
      for index in unsafe options.pieces.indices {
        let piece = unsafe options.pieces[index]
        let bytes = unsafe UnsafeRawBufferPointer(start: piece.bytes, count: Int(piece.length))
        unsafe try pages.write(bytes, at: dataOffset + Int(piece.offset))
      }
    } catch {
      _ = czinc_ftruncate(pages.raw, 0)
      throw error
    }
  }

  /// Writes the header of a region that nobody else can see yet. The rest of its page is zero.
  func write(to file: borrowing Descriptor, _ options: RegionOptions) throws(Failure) {
    var header = czinc_header()
    header.magic = Header.magic
    header.version = Header.version
    header.flags = flags.rawValue
    header.capacity = UInt64(capacity)
    header.creator_pid = czinc_process()
    header.created_at = czinc_wall()
    header.id = id
    header.data_offset = UInt64(dataOffset)
    header.kind = kind
    header.metadata_length = UInt32(metadataLength)
    try unsafe withUnsafeBytes(of: header) { (bytes) throws(Failure) in
      try unsafe file.write(bytes, at: 0)
    }
    try unsafe file.write(options.metadata, at: Header.metadataOffset)
  }

  init(reading file: borrowing Descriptor, _ status: czinc_status) throws(Failure) {
    self.init(try RegionFile.header(of: file, status), status)
  }

  /// What a proved header of the file with this status says.
  init(_ header: czinc_header, _ status: czinc_status) {
    device = status.device
    inode = status.inode
    // Both are less than the file's size, an Int64.
    capacity = Int(header.capacity)
    dataOffset = Int(header.data_offset)
    flags = Header.Flags(rawValue: header.flags)
    id = header.id
    kind = header.kind
    metadataLength = Int(header.metadata_length)
  }

  /// Is it no matter whether anybody is attached? Of a header of any layout.
  static func outlivesItsUsers(_ header: czinc_header, after gone: UInt64 = 0) -> Bool {
    Header.Flags(rawValue: header.flags).contains(.persistent) || isKept(header, after: gone)
  }

  /// Does it outlive its last user for now? While references are under way, or as long as
  /// somebody asked for; an object as long as its store is there, which is that of the id `gone`
  /// no more; and what is no more than a lock, as long as a dead one holds it: whoever
  /// comes next has to be told, unless nobody can: a transient one's name is nobody else's.
  static func isKept(_ header: czinc_header, after gone: UInt64 = 0) -> Bool {
    if header.owner != 0 && header.owner != gone { return true }
    if header.tickets != 0 && header.kept_until > czinc_boot() { return true }
    return header.lock_word != 0 && RegionFile.lockKinds.contains(header.kind)
      && !Header.Flags(rawValue: header.flags).contains(.transient)
  }

  /// Those of zinc.h whose own lock guards what is not in the region.
  private static let lockKinds: ClosedRange<UInt32> = 3...5

  /// What a file says of itself, proved against what the system says. It is read,
  /// not mapped: a file that was cut short would answer a look with SIGBUS.
  /// EBADMSG with the reason if the file is not a region, a damaged one, or one of another layout.
  @inline(never)
  static func header(of file: borrowing Descriptor, _ status: czinc_status) throws(Failure)
    -> czinc_header
  {
    let header = try headerOfAnyLayout(of: file, status)
    if header.version != Header.version { throw foreign(header) }
    return header
  }

  static func foreign(_ header: czinc_header) -> Failure {
    Failure(
      EBADMSG, "layout version %, and this zinc reads % alone; use one zinc in all processes",
      UInt64(header.version), UInt64(Header.version))
  }

  /// The same, and of a region of another layout what no layout changes (see `Header`): the rest
  /// is not proved, and not to be used.
  @inline(never)
  static func headerOfAnyLayout(of file: borrowing Descriptor, _ status: czinc_status)
    throws(Failure) -> czinc_header
  {
    guard status.is_regular != 0 else {
      throw Failure(EBADMSG, "not a region: what has its place in /dev/shm is no regular file")
    }
    var header = czinc_header()
    let wanted = MemoryLayout<czinc_header>.size
    let count = unsafe czinc_pread(file.raw, &header, UInt(wanted), 0)
    try check(Int32(clamping: count), "pread")
    guard count == wanted, header.magic == Header.magic else {
      throw Failure(EBADMSG, "not a region: the file in its place in /dev/shm has no zinc header")
    }
    guard header.version == Header.version else { return header }
    let size = UInt64(max(status.size, 0))
    let page = UInt64(czinc_page_size())
    guard header.data_offset % page == 0 else {
      throw Failure(
        EBADMSG, "its data begins at byte %, and this process can map it at multiples of % alone",
        header.data_offset, page)
    }
    guard header.data_offset > 0, header.data_offset < size,
      header.capacity == size - header.data_offset
    else {
      throw Failure(
        EBADMSG, "damaged: % bytes of data from byte % on do not make a file of % bytes",
        header.capacity, header.data_offset, size)
    }
    guard header.metadata_length <= UInt32(Header.metadataCapacity) else {
      throw Failure(
        EBADMSG, "damaged: % bytes of metadata, where there is room for %",
        UInt64(header.metadata_length), UInt64(Header.metadataCapacity))
    }
    return header
  }
}
