internal import CZinc
internal import Synchronization

/// The header page of a mapped region.
///
/// What no layout changes, so that each knows whether a region of another is dead: magic, version
/// and the persistent flag, what `RegionFile.isKept` asks, and that byte 0 is locked by who is
/// attached.
///
/// All but the three words of its `Notification`, the two of its `Keeping`, its owner, its lock, and its
/// seats with the number of deaths, are written once, before anybody else can see the region.
@safe struct Header {
  static let magic: UInt64 = 0x5A49_4E43_5F52_4547
  static let version: UInt16 = 4
  /// Older ones have a second lock, which openers hold (see `RegionName.tryLockAlone`).
  static let firstVersionWithOneLock: UInt16 = 4
  /// Of the part that is not the metadata.
  static let size = 2048
  static let metadataOffset = 2048
  static let metadataCapacity = 2048
  static let sequenceOffset = 12
  static let parkedOffset = 24
  static let wokenOffset = 56
  static let keptUntilOffset = 72
  static let ticketsOffset = 80
  static let deathsOffset = 84
  static let ownerOffset = 88
  static let lockOffset = 96
  static let seatsOffset = 128
  /// The kind of regions whose seats have more to them.
  static let channelKind: UInt32 = 2
  /// That of those which have others (see `RegionName.reclaimObjects`).
  static let storeKind: UInt32 = 10

  struct Flags: OptionSet {
    let rawValue: UInt16
    /// The region lasts until it is unlinked.
    static let persistent = Flags(rawValue: 1)
    /// Some readers can't write here to say that they sleep: wake on every notification.
    static let wakeAlways = Flags(rawValue: 2)
    /// A lock that a dead one holds goes with its last user all the same.
    static let transient = Flags(rawValue: 4)
  }

  private let base: UnsafeMutableRawPointer

  init(_ base: UnsafeMutableRawPointer) { unsafe self.base = unsafe base }

  var words: NotificationWords {
    unsafe NotificationWords(
      sequence: word(Header.sequenceOffset), parked: word(Header.parkedOffset),
      woken: word(Header.wokenOffset))
  }

  var keeping: Keeping {
    unsafe Keeping(
      keptUntil: (base + Header.keptUntilOffset).assumingMemoryBound(to: Atomic<UInt64>.self),
      tickets: word(Header.ticketsOffset))
  }

  /// The id of the store that it is an object of, 0 once it is not any more.
  var owner: UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe (base + Header.ownerOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  var seats: SeatTable {
    unsafe SeatTable(base + Header.seatsOffset, deaths: word(Header.deathsOffset))
  }

  /// Where the region's own lock is.
  var lock: UnsafeMutableRawPointer { unsafe base + Header.lockOffset }

  func metadata(count: Int) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: base + Header.metadataOffset, count: count)
  }

  private func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
  }
}
