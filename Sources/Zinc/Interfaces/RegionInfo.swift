// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc

  /// What a region looks like from outside; `SharedRegion.examine` gives it.
  ///
  /// Of a region of another layout version only `state`, `layout`, `memory`, `isPersistent`,
  /// `owner`, `mode`, `device` and `inode` are known; the rest is 0 or empty.
  public struct RegionInfo: Sendable, Equatable {
    /// How a region is.
    public enum State: Sendable {
      /// Somebody uses it.
      case attached
      /// Nobody uses it, and it stays all the same: it is persistent, or kept.
      case unattached
      /// Its last user was killed: the next call that meets it removes it.
      case dead
    }

    public let state: State
    /// The version of its layout.
    public let layout: UInt32
    /// Bytes of data.
    public let capacity: Int
    /// Bytes of memory that it really has, its header page among them.
    public let memory: Int
    /// It lasts until it is unlinked.
    public let isPersistent: Bool
    /// Each notification is a system call, since some of its users may only read.
    public let wakesAlways: Bool
    /// What the data is, as `create` was told.
    public let kind: UInt32
    /// What `create` was given to keep. Who may write the region can change it: check it.
    public let metadata: [UInt8]
    /// Notifications so far, modulo 2³².
    public let sequence: UInt32
    /// How often a waiter has gone to sleep, modulo 2³².
    public let parked: UInt32
    /// How many of these had been answered when somebody last looked, modulo 2³².
    public let woken: UInt32
    /// The random number that tells two regions of one name apart.
    public let id: UInt64
    /// When it was created, in nanoseconds since 1970.
    public let createdAt: UInt64
    /// Which process created it, in the view of that process.
    public let creatorPID: Int32
    /// The number of the user that it belongs to.
    public let owner: UInt32
    /// Its permissions, as of a file.
    public let mode: UInt32
    /// The device of its file, `/dev/shm/zinc_` and the name, as stat(2) has it.
    public let device: UInt64
    /// The number of its file there.
    public let inode: UInt64
    /// Bytes of the file before the data.
    public let dataOffset: Int

    fileprivate init(_ info: ZincRegionInfo) {
      state =
        switch Int(info.state) {
        case ZINC_ATTACHED: .attached
        case ZINC_UNATTACHED: .unattached
        default: .dead
        }
      layout = info.layout
      capacity = Int(clamping: info.capacity)
      memory = Int(clamping: info.memory)
      isPersistent = info.flags & UInt32(ZINC_PERSISTENT) != 0
      wakesAlways = info.flags & UInt32(ZINC_WAKES_ALWAYS) != 0
      kind = info.kind
      metadata = unsafe withUnsafeBytes(of: info.metadata) { bytes in
        unsafe [UInt8](bytes.prefix(Int(info.metadata_length)))
      }
      sequence = info.sequence
      parked = info.parked
      woken = info.woken
      id = info.id
      createdAt = info.created_at
      creatorPID = info.creator_pid
      owner = info.owner
      mode = info.mode
      device = info.device
      inode = info.inode
      dataOffset = Int(clamping: info.data_offset)
    }
  }

  extension SharedRegion {
    /// The names of all that is called like a region on this machine, sorted: living and dead
    /// ones of every user, and what has the place of one and is none. `examine` tells which; any
    /// of them may be gone by then. Takes no lock, and their users do not notice.
    public static func regions() -> [String] {
      var names: [String] = []
      unsafe RegionName.names().visit { unsafe names.append(String(cString: $0)) }
      return names.sorted()
    }

    /// Tells all that can be told of a region without attaching to it: nothing is locked, changed
    /// or removed, and its users do not notice. It may belong to anybody, if this user may read
    /// it. The result is no single moment: what it says of notifications may be newer than what
    /// it says of users.
    ///
    /// - Throws: `ZincError`: `notFound` if there is none, `notARegion` if what has its place is
    ///   no region, or a damaged one, `invalidArgument` for a name that can't be, `notPermitted`
    ///   if this user may not read it.
    public static func examine(_ name: String) throws(ZincError) -> RegionInfo {
      try withPath("examine", name) { path throws(Failure) in
        var info = ZincRegionInfo()
        info.size = UInt(MemoryLayout<ZincRegionInfo>.size)
        unsafe try RegionName.examine(path, &info)
        return RegionInfo(info)
      }
    }
  }
#endif
