internal import CZinc
internal import Synchronization

/// The header page of a mapped region.
///
/// All but three words are written once, before anybody else can see the region.
/// Those three, whose protocol stands in `Attachment+Notification`:
///
///     sequence  how many notifications there were; the futex word
///     parked    tickets: how often a waiter has gone to sleep
///     woken     the tickets that a notifier has answered
@safe struct Header {
  static let magic: UInt64 = 0x5A49_4E43_5F52_4547
  static let version: UInt16 = 3
  static let metadataOffset = 2048
  static let metadataCapacity = 2048
  static let sequenceOffset = 12
  static let parkedOffset = 24
  static let wokenOffset = 56

  struct Flags: OptionSet {
    let rawValue: UInt16
    /// The region lasts until it is unlinked.
    static let persistent = Flags(rawValue: 1)
    /// Some readers can't write here to say that they sleep: wake on every notification.
    static let wakeAlways = Flags(rawValue: 2)
  }

  private let base: UnsafeMutableRawPointer

  init(_ base: UnsafeMutableRawPointer) { unsafe self.base = unsafe base }

  var sequence: UnsafeMutablePointer<Atomic<UInt32>> { unsafe word(Header.sequenceOffset) }
  var parked: UnsafeMutablePointer<Atomic<UInt32>> { unsafe word(Header.parkedOffset) }
  var woken: UnsafeMutablePointer<Atomic<UInt32>> { unsafe word(Header.wokenOffset) }

  func metadata(count: Int) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: base + Header.metadataOffset, count: count)
  }

  private func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
  }
}
