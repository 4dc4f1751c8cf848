// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc
  internal import Synchronization

  /// Hands whole messages from any number of writers to any number of readers, where they are.
  ///
  ///     let channel = try SharedChannel.create("camera", slotSize: 640 * 480)
  ///     var frame = try channel.loan()
  ///     fill(frame.mutableBytes)
  ///     try frame.publish()
  ///
  /// and in another process, as a rule
  ///
  ///     let reader = try SharedChannel.open("camera").reader()
  ///     while let frame = try reader.receive() { show(frame.bytes) }
  ///
  /// Whoever is killed, at whatever moment, tears no message, loses none and holds nobody up. This
  /// value writes, from its first loan on: it takes one of the 120 seats that writers and readers
  /// have together. Any number of threads may use it at once. Its loans outlive it, and the process
  /// stays attached until the last of them is over. A forked child goes on with it as its own, and
  /// has none of its parent's loans.
  @safe public struct SharedChannel: ~Copyable, Sendable {
    let writing: ChannelWriting

    /// What happens when a channel is full.
    public enum Full: Sendable {
      /// The oldest message makes room, whoever has not read it; who missed it knows.
      case overwrite
      /// The writer waits for the slowest reader that lives.
      case wait
    }

    private init(
      _ region: consuming SharedRegion, _ operation: StaticString, _ evictAfter: Duration?
    ) throws(ZincError) {
      let memory = unsafe try region.with(operation) { handle throws(Failure) in
        unsafe try ChannelMemory(of: handle)
      }
      writing = ChannelWriting(region, memory, evictAfter.map(SharedRegion.nanoseconds) ?? .max)
    }

    /// Creates a channel of messages of up to `slotSize` bytes each, which keeps its newest `slots`,
    /// rounded up to a power of two.
    ///
    /// For so many `writers`, `loans` of each, `readers`, and `views`, which are the messages that a
    /// reader may hold at once (16 at most), there is always a slot; beyond that `loan` may find
    /// none. Where writers wait, they wait no more for a reader that holds one of this value's
    /// messages up for `evictAfter`, until it goes on; nil waits for it as long as it lives. The
    /// rest as for `SharedRegion.create`.
    ///
    /// - Throws: `ZincError`: `invalidArgument` for numbers that can't be, and those of
    ///   `SharedRegion.create`.
    public static func create(
      _ name: String, slots: Int = 8, slotSize: Int, full: Full = .overwrite, writers: Int = 4,
      loans: Int = 1, readers: Int = 8, views: Int = 8, mode: UInt32 = 0o600, group: UInt32? = nil,
      isPersistent: Bool = false, replace: Bool = false, evictAfter: Duration? = nil
    ) throws(ZincError) -> SharedChannel {
      let options = RegionOptions(
        mode: mode, group: group, isPersistent: isPersistent, reserve: true, replace: replace)
      return try create("create the channel", name, options, evictAfter) { () throws(Failure) in
        try ChannelGeometry(
          messages: slots, payload: slotSize, writers: writers, loans: loans, readers: readers,
          views: views, waits: full == .wait)
      }
    }

    /// One with this geometry.
    static func create(
      _ operation: StaticString, _ name: String, _ options: RegionOptions, _ evictAfter: Duration?,
      _ geometry: () throws(Failure) -> ChannelGeometry
    ) throws(ZincError) -> SharedChannel {
      let region = unsafe try SharedRegion.attach(operation, name) { path throws(Failure) in
        unsafe try geometry().describe(options) { (size, options) throws(Failure) in
          unsafe try Attachment.create(path, capacity: size, options)
        }
      }
      return try SharedChannel(region, operation, evictAfter)
    }

    /// Attaches to the channel of this name. Parameters as for `SharedRegion.open` and `create`.
    ///
    /// - Throws: `ZincError`: `notARegion` if the name is that of no channel, or of a damaged one;
    ///   `notPermitted` where this user may only read, since readers say where they are; the others
    ///   of `SharedRegion.open`.
    public static func open(
      _ name: String, anyUser: Bool = false, timeout: Duration? = .zero, evictAfter: Duration? = nil
    ) throws(ZincError) -> SharedChannel {
      try SharedChannel(
        SharedRegion.open(name, anyUser: anyUser, timeout: timeout), "open the channel", evictAfter)
    }

    /// Opens the channel of this name, or creates it if there is none. Of several processes that do
    /// this at once one creates. Parameters as for `create` and `open`; what exists keeps its own
    /// numbers of writers, loans, readers and views.
    ///
    /// - Throws: `ZincError`: `alreadyExists` if it exists with other `slots`, `slotSize` or `full`,
    ///   or is no channel; the others of `create` and `open`.
    public static func openOrCreate(
      _ name: String, slots: Int = 8, slotSize: Int, full: Full = .overwrite, writers: Int = 4,
      loans: Int = 1, readers: Int = 8, views: Int = 8, mode: UInt32 = 0o600, group: UInt32? = nil,
      isPersistent: Bool = false, anyUser: Bool = false, evictAfter: Duration? = nil
    ) throws(ZincError) -> SharedChannel {
      let options = RegionOptions(
        mode: mode, group: group, isPersistent: isPersistent, reserve: true)
      return try openOrCreate(
        "open or create the channel", name, options, evictAfter, anyUser: anyUser
      ) { () throws(Failure) in
        try ChannelGeometry(
          messages: slots, payload: slotSize, writers: writers, loans: loans, readers: readers,
          views: views, waits: full == .wait)
      }
    }

    /// One with this geometry.
    static func openOrCreate(
      _ operation: StaticString, _ name: String, _ options: RegionOptions, _ evictAfter: Duration?,
      anyUser: Bool, _ geometry: () throws(Failure) -> ChannelGeometry
    ) throws(ZincError) -> SharedChannel {
      let region = unsafe try SharedRegion.attach(operation, name) { path throws(Failure) in
        unsafe try Attachment.openOrCreate(path, geometry(), options, anyUser: anyUser)
      }
      return try SharedChannel(region, operation, evictAfter)
    }

    /// Creates a channel without a name, as `SharedRegion.anonymous` does. It travels as its
    /// `descriptor`, through fork or a Unix socket. Parameters as for `create`.
    public static func anonymous(
      slots: Int = 8, slotSize: Int, full: Full = .overwrite, writers: Int = 4, loans: Int = 1,
      readers: Int = 8, views: Int = 8, evictAfter: Duration? = nil
    ) throws(ZincError) -> SharedChannel {
      let region = unsafe try SharedRegion.attach("create an anonymous channel") {
        () throws(Failure) in
        unsafe try ChannelGeometry(
          messages: slots, payload: slotSize, writers: writers, loans: loans, readers: readers,
          views: views, waits: full == .wait
        ).describe(RegionOptions()) { (size, options) throws(Failure) in
          unsafe try Attachment.createAnonymous(capacity: size, options)
        }
      }
      return try SharedChannel(region, "create an anonymous channel", evictAfter)
    }

    /// Attaches to an anonymous channel by its descriptor, which stays the caller's.
    ///
    /// - Throws: `ZincError`: `notARegion` if it leads to something else.
    public static func open(descriptor: Int32, evictAfter: Duration? = nil) throws(ZincError)
      -> SharedChannel
    {
      try SharedChannel(SharedRegion.open(descriptor: descriptor), "open the channel", evictAfter)
    }

    /// Reads the messages from here on, and `history` before, as far as they are kept. The reader
    /// has a seat of its own, and does not need this value any more.
    ///
    /// - Parameters:
    ///   - history: so many messages back, from 0.
    ///   - untilGone: its messages end when all who have written are gone, killed too.
    /// - Throws: `ZincError`: `notFound` if the channel has lost its name, since it is opened once
    ///   more; `noSeat` if all are taken; `invalidArgument` for a negative `history`.
    public func reader(history: Int = 0, untilGone: Bool = false) throws(ZincError) -> Reader {
      let region = try writing.once("read the channel")
      let reader = unsafe try region.with("read the channel") { handle throws(Failure) in
        guard history >= 0 else {
          throw Failure(EINVAL, "history is a number of messages, from 0")
        }
        return unsafe try ChannelReader.make(handle, history: UInt64(history))
      }
      return unsafe Reader(
        ChannelReading(region, reader.assumingMemoryBound(to: ChannelReader.self)),
        untilGone: untilGone)
    }

    // MARK: - What it is

    /// The name that it was created under; empty for an anonymous channel.
    public var name: String { writing.region.name }

    /// An anonymous channel's descriptor, which is closed with this value; nil for others.
    public var descriptor: Int32? { writing.region.descriptor }

    /// The call that this value is from created the channel.
    public var isCreated: Bool { writing.region.isCreated }

    /// Does the name still lead to this channel? One system call.
    public var isLinked: Bool { writing.region.isLinked }

    /// Removes its name, as `SharedRegion.unlink()` does: who has it goes on, and nobody comes.
    ///
    /// - Throws: `ZincError`: `notFound` if the name leads elsewhere by now, or there is none.
    public func unlink() throws(ZincError) { try writing.region.unlink() }

    /// How many messages it keeps: a power of two.
    public var slots: Int { writing.memory.geometry.messages }

    /// Bytes of a message, at most.
    public var slotSize: Int { writing.memory.geometry.payload }

    /// How many messages a reader may hold at once.
    public var views: Int { writing.memory.geometry.views }

    /// What happens when it is full.
    public var full: Full { writing.memory.geometry.waits ? .wait : .overwrite }

    /// The number of the newest message; 0 if there is none yet.
    public var newest: UInt64 { writing.memory.newest() }
  }

  extension UInt64 {
    /// As the number of the newest message: how many there are from `next` on.
    func lag(behind next: UInt64) -> UInt64 { self < next ? 0 : self &- next &+ 1 }
  }

  extension Attachment {
    /// EEXIST if what has the name keeps other messages.
    fileprivate static func openOrCreate(
      _ path: borrowing RegionPath, _ geometry: ChannelGeometry, _ options: RegionOptions,
      anyUser: Bool
    ) throws(Failure) -> Handle {
      var opening = RegionOptions()
      if anyUser { opening.flags.insert(.anyUser) }
      for _ in 0..<1000 {
        do throws(Failure) {
          let handle = unsafe try open(path, opening)
          do throws(Failure) {
            let found = unsafe try ChannelMemory(of: handle).geometry
            guard found.messages == geometry.messages, found.payload == geometry.payload,
              found.flags == geometry.flags
            else {
              throw Failure(
                EEXIST,
                "already exists with % slots of % bytes, or does otherwise when full or after a kill",
                UInt64(found.messages), UInt64(found.payload))
            }
            return unsafe handle
          } catch {
            let kind = unsafe handle.pointee.file.kind
            unsafe close(handle)
            guard kind == Header.channelKind else {
              throw Failure(EEXIST, "the name is taken by a region of kind %", UInt64(kind))
            }
            throw error
          }
        } catch  where error.code == ENOENT {
          // As good as any moment to create it.
        }
        do throws(Failure) {
          return unsafe try geometry.describe(options) { (size, options) throws(Failure) in
            unsafe try create(path, capacity: size, options)
          }
        } catch  where error.code == EEXIST {
          // Somebody was faster, or it is dead and stays.
          if case .dead = try? RegionName.tryReclaim(path) { throw error }
        }
      }
      throw Failure(EBUSY, "others create and remove it faster than it can be opened")
    }
  }

  /// A handle that writes, until the last who has this is done: the channel value, and its loans.
  @safe final class ChannelWriting: @unchecked Sendable {
    let region: SharedRegion
    let memory: ChannelMemory
    private let turn = Turn()
    /// Of the writer; 0 before the first loan.
    private let address = Atomic<UInt>(0)

    /// Nanoseconds that a reader may hold a message up.
    private let evictAfter: UInt64

    init(_ region: consuming SharedRegion, _ memory: ChannelMemory, _ evictAfter: UInt64) {
      self.region = region
      self.memory = memory
      self.evictAfter = evictAfter
    }

    deinit {
      if let writer = unsafe begun { unsafe ChannelWriter.free(writer) }
    }

    /// Attaches to the same region by another handle.
    func once(_ operation: StaticString) throws(ZincError) -> SharedRegion {
      if let descriptor = region.descriptor { return try SharedRegion.open(descriptor: descriptor) }
      let again = try SharedRegion.open(region.name, anyUser: true)
      guard again.id == region.id else {
        throw unsafe ZincError(
          operation, region.attachment.pointee.nameForMessages,
          Failure(ENOENT, "it has lost its name, which another has now"))
      }
      return again
    }

    private var begun: ChannelWriter.Pointer? {
      unsafe ChannelWriter.Pointer(bitPattern: address.load(ordering: .acquiring))
    }

    /// One thread at a time writes.
    private func inTurn<Value>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
      turn.enter()
      defer { turn.leave() }
      return try body()
    }

    /// A slot. Sits, the first time.
    func loan(for length: Int) throws(Failure) -> Int {
      try inTurn { () throws(Failure) in
        if let writer = unsafe begun { return unsafe try writer.pointee.loan(for: length) }
        let writer = unsafe try ChannelWriter.make(region.attachment)
          .assumingMemoryBound(to: ChannelWriter.self)
        unsafe writer.pointee.evictAfter = evictAfter
        address.store(UInt(bitPattern: writer), ordering: .releasing)
        return unsafe try writer.pointee.loan(for: length)
      }
    }

    /// Gives a loan back.
    func discard(_ slot: Int) throws(Failure) {
      guard let writer = unsafe begun else { return }
      try inTurn { () throws(Failure) in unsafe try writer.pointee.discard(slot) }
    }

    /// Publishes a loan, if there is room until `deadline`.
    func publish(_ slot: Int, _ head: inout ZincMessageHead, deadline: UInt64) throws(Failure)
      -> Bool
    {
      guard let writer = unsafe begun else { return false }
      while true {
        let isPublished = try inTurn { () throws(Failure) in
          unsafe try writer.pointee.publish(slot, &head)
        }
        if isPublished { return true }
        switch unsafe try writer.pointee.waitForRoom([], deadline: deadline) {
        case .isRoom: continue
        case .timedOut: return false
        case .closed, .interrupted: throw LockPlace.closed
        }
      }
    }
  }
#endif
