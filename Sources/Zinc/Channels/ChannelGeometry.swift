internal import CZinc

/// How large the parts of a channel are. Written once, before anybody can see the channel; who
/// opens it proves it, keeps it, and does not look at those bytes again.
///
///     0     u32 messages, slots, views, flags; u64 payload
///     64    u64 head
///     128   u32 members, seats used; the notification words of who waits for room
///     192   u64 taken; u32 returned, of a queue
///     256   128 bytes for each seat
///     15616 u64 owner for each slot
///           u64 for each place of the ring, from a multiple of 128 on
///           the slots, from a page of who made it on: 64 bytes, and the payload
struct ChannelGeometry: Equatable {
  /// So many messages are kept; of a queue, wait.
  let messages: Int
  /// Of the ring, as many as messages, or the power of two after that.
  let places: Int
  let slots: Int
  /// How many messages a reader may hold at once.
  let views: Int
  /// Bytes of a message, at most.
  let payload: Int
  /// Writers wait for readers.
  let waits: Bool
  /// A queue: each message goes to one of those who work, and writers wait for these.
  let isShared: Bool
  /// Of a queue: what somebody was at work on who is killed is not handed out again.
  let isOnce: Bool
  /// Memory for a slot is taken with the first loans of it.
  private(set) var isSparse = false
  /// How large the pages are of who made it, which is where a region's data begins.
  private let page: Int

  static let mostSlots = 1 << 20 - 2
  static let mostViews = 16
  /// Who works marks no pins.
  static let mostViewsOfQueues = 1024
  static let seatsOffset = 256
  static let seatStride = 128
  static let ownersOffset = seatsOffset + SeatTable.count * seatStride
  static let slotHead = 64

  /// On lines of its own, which readers look at all the time, and on which writers write once.
  var ringOffset: Int { (ChannelGeometry.ownersOffset + slots * 8 + 127) & ~127 }
  /// At a page, since readers protect what follows.
  var slotsOffset: Int { (ringOffset + places * 8 + page - 1) / page * page }
  var stride: Int { (ChannelGeometry.slotHead + payload + 63) & ~63 }
  var size: Int { slotsOffset + slots * stride }

  /// With enough slots for so many writers and readers, whatever these hold: 8 for each writer
  /// beside its loans, since it looks only now and then which of those it displaced are free.
  init(
    messages: Int, payload: Int, writers: Int, loans: Int, readers: Int, views: Int, waits: Bool,
    isShared: Bool = false, isOnce: Bool = false
  ) throws(Failure) {
    guard (1...(1 << 18)).contains(messages) else {
      throw Failure(
        EINVAL, "a channel keeps 1 to % messages, not %", 1 << 18, UInt64(max(messages, 0)))
    }
    guard (1...SeatTable.count).contains(writers), (0...SeatTable.count).contains(readers),
      (1...1024).contains(loans)
    else {
      throw Failure(
        EINVAL, "a channel has 1 to % writers and readers, and 1 to 1024 loans of each writer",
        UInt64(SeatTable.count))
    }
    let mostViews = isShared ? ChannelGeometry.mostViewsOfQueues : ChannelGeometry.mostViews
    guard (1...mostViews).contains(views) else {
      throw Failure(
        EINVAL, "who reads holds 1 to % messages at once, not %", UInt64(mostViews),
        UInt64(max(views, 0)))
    }
    places = ChannelGeometry.places(for: messages)
    self.messages = isShared ? messages : places
    slots = self.messages + writers * (isShared ? loans : loans + 8) + readers * views
    guard slots <= ChannelGeometry.mostSlots else {
      throw Failure(
        EINVAL, "that takes % slots, and % is the most", UInt64(slots),
        UInt64(ChannelGeometry.mostSlots))
    }
    guard (1...(Int.max / 4 / slots)).contains(payload) else {
      throw Failure(EINVAL, "a message has 1 byte or more, and all slots fit in memory")
    }
    page = Int(czinc_page_size())
    self.payload = payload
    self.views = views
    self.waits = waits || isShared
    self.isShared = isShared
    self.isOnce = isOnce
  }

  private static func places(for messages: Int) -> Int {
    var places = 2
    while places < messages { places *= 2 }
    return places
  }

  private static let waiting: UInt32 = 1
  private static let sharing: UInt32 = 2
  private static let once: UInt32 = 4
  private static let sparse: UInt32 = 8

  var flags: UInt32 {
    (waits ? ChannelGeometry.waiting : 0) | (isShared ? ChannelGeometry.sharing : 0)
      | (isOnce ? ChannelGeometry.once : 0)
  }

  /// What the data of this region says of itself. EBADMSG if that can't be.
  init(reading base: UnsafeMutableRawPointer, of region: RegionFile) throws(Failure) {
    let capacity = region.capacity
    page = region.dataOffset
    let damaged = Failure(
      EBADMSG, "damaged: the sizes of the channel contradict its own of % bytes", UInt64(capacity))
    guard capacity > ChannelGeometry.ownersOffset else { throw damaged }
    let words = UnsafeRawPointer(base)
    messages = unsafe Int(words.load(as: UInt32.self))
    slots = unsafe Int(words.load(fromByteOffset: 4, as: UInt32.self))
    views = unsafe Int(words.load(fromByteOffset: 8, as: UInt32.self))
    let all = unsafe words.load(fromByteOffset: 12, as: UInt32.self)
    isSparse = all & ChannelGeometry.sparse != 0
    let flags = all & ~ChannelGeometry.sparse
    let bytes = unsafe words.load(fromByteOffset: 16, as: UInt64.self)
    guard messages >= 1, messages < slots, slots <= ChannelGeometry.mostSlots,
      flags <= 1 || flags == 3 || flags == 7, views >= 1,
      views
        <= (flags > 1 ? ChannelGeometry.mostViewsOfQueues : ChannelGeometry.mostViews), bytes >= 1,
      bytes <= UInt64(capacity)
    else { throw damaged }
    places = ChannelGeometry.places(for: messages)
    payload = Int(bytes)
    waits = flags & ChannelGeometry.waiting != 0
    isShared = flags & ChannelGeometry.sharing != 0
    isOnce = flags & ChannelGeometry.once != 0
    guard isShared || messages == places, payload <= Int.max / 4 / slots, size == capacity else {
      throw damaged
    }
  }

  /// Calls `body` with how large a channel's region is, and what it is created with.
  func describe(
    _ options: RegionOptions,
    _ body: (_ size: Int, RegionOptions) throws(Failure) -> Attachment.Handle
  ) throws(Failure) -> Attachment.Handle {
    let sparse = options.flags.contains(.sparse) ? ChannelGeometry.sparse : 0
    var words = (
      UInt32(messages), UInt32(slots), UInt32(views), flags | sparse, UInt64(payload)
    )
    var options = options
    options.kind = Header.channelKind
    options.reserved = slotsOffset
    // Complete before anybody can open it.
    return unsafe try withUnsafeBytes(of: &words) { (bytes) throws(Failure) in
      unsafe try body(size, options.beginning(with: bytes))
    }
  }
}
