// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc

  /// Hands each message to exactly one of those who work, whoever is free.
  ///
  ///     let queue = try SharedQueue.create("frames", capacity: 16, slotSize: 640 * 480)
  ///     var frame = try queue.loan()
  ///     fill(frame.mutableBytes)
  ///     try frame.publish()
  ///
  /// and in other processes, as many as there are
  ///
  ///     let worker = try SharedQueue.open("frames").worker()
  ///     while let frame = try worker.take() {
  ///       process(frame.bytes)
  ///       try frame.done()
  ///     }
  ///
  /// What a worker was at work on when it was killed goes to another one, or where the queue was
  /// created with `redeliver: false` to nobody: so each message is done at least, or at most, once.
  /// Who writes waits for workers while as many messages wait as may.
  ///
  /// This value writes, from its first loan on, and closes; any number of threads may use it at once.
  /// What `SharedChannel` says of seats, loans and forked children holds for it.
  @safe public struct SharedQueue: ~Copyable, Sendable {
    // A queue is a channel of which nobody is a reader.
    let channel: SharedChannel

    private init(_ channel: consuming SharedChannel, _ operation: StaticString) throws(ZincError) {
      _ = unsafe try channel.writing.region.with(operation) { handle throws(Failure) in
        unsafe try ChannelMemory.queue(of: handle)
      }
      self.channel = channel
    }

    private static func geometry(
      _ capacity: Int, _ slotSize: Int, _ redeliver: Bool, _ workers: Int, _ views: Int,
      _ writers: Int, _ loans: Int
    ) throws(Failure) -> ChannelGeometry {
      try ChannelGeometry(
        messages: capacity, payload: slotSize, writers: writers, loans: loans, readers: workers,
        views: views, waits: true, isShared: true, isOnce: !redeliver)
    }

    /// Creates a queue in which up to `capacity` messages wait, of up to `slotSize` bytes each.
    ///
    /// For so many `workers`, `views`, which are the messages that each may be at work on at once
    /// (1024 at most), `writers`, and `loans` of each, there is always a slot; beyond that `loan` may
    /// find none. With `redeliver` what somebody was at work on who is killed goes to another worker,
    /// else to nobody. Memory is taken as messages come, and used again for the next ones; `reserve`
    /// takes all of it at once, so that no `loan` finds it used up. The rest as for
    /// `SharedRegion.create`.
    ///
    /// - Throws: `ZincError`: `invalidArgument` for numbers that can't be, and those of
    ///   `SharedRegion.create`.
    public static func create(
      _ name: String, capacity: Int, slotSize: Int, redeliver: Bool = true, workers: Int = 8,
      views: Int = 8, writers: Int = 4, loans: Int = 1, mode: UInt32 = 0o600, group: UInt32? = nil,
      isPersistent: Bool = false, reserve: Bool = false, replace: Bool = false
    ) throws(ZincError) -> SharedQueue {
      let options = RegionOptions(
        mode: mode, group: group, isPersistent: isPersistent, reserve: reserve, replace: replace)
      let operation: StaticString = "create the queue"
      return try SharedQueue(
        SharedChannel.create(operation, name, options, nil) { () throws(Failure) in
          try geometry(capacity, slotSize, redeliver, workers, views, writers, loans)
        }, operation)
    }

    /// Attaches to the queue of this name. Parameters as for `SharedRegion.open`.
    ///
    /// - Throws: `ZincError`: `notARegion` if the name is that of no queue, or of a damaged one; the
    ///   others of `SharedRegion.open`.
    public static func open(
      _ name: String, anyUser: Bool = false, timeout: Duration? = .zero
    ) throws(ZincError) -> SharedQueue {
      try SharedQueue(
        SharedChannel.open(name, anyUser: anyUser, timeout: timeout), "open the queue")
    }

    /// Opens the queue of this name, or creates it if there is none. Of several processes that do
    /// this at once one creates. Parameters as for `create` and `open`; what exists keeps its own
    /// numbers of workers, views, writers and loans.
    ///
    /// - Throws: `ZincError`: `alreadyExists` if it exists with another `capacity`, `slotSize` or
    ///   `redeliver`, or is no queue; the others of `create` and `open`.
    public static func openOrCreate(
      _ name: String, capacity: Int, slotSize: Int, redeliver: Bool = true, workers: Int = 8,
      views: Int = 8, writers: Int = 4, loans: Int = 1, mode: UInt32 = 0o600, group: UInt32? = nil,
      isPersistent: Bool = false, reserve: Bool = false, anyUser: Bool = false
    ) throws(ZincError) -> SharedQueue {
      let options = RegionOptions(
        mode: mode, group: group, isPersistent: isPersistent, reserve: reserve)
      let operation: StaticString = "open or create the queue"
      return try SharedQueue(
        SharedChannel.openOrCreate(operation, name, options, nil, anyUser: anyUser) {
          () throws(Failure) in
          try geometry(capacity, slotSize, redeliver, workers, views, writers, loans)
        }, operation)
    }

    // MARK: - Writing

    /// Takes a slot on loan, as `SharedChannel.loan`. It waits for workers as it is published.
    ///
    /// - Throws: `ZincError` as `SharedChannel.loan`; publishing, `closed` once the queue is.
    public func loan(length: Int? = nil, tag: UInt64 = 0) throws(ZincError) -> SharedChannel.Loan {
      try channel.loan(length: length, tag: tag)
    }

    /// Sends a message, with one copy, and waits for workers within `timeout`; nil waits for ever.
    ///
    /// - Returns: the message's number; nil if there was no room in time.
    /// - Throws: `ZincError`: `closed` once the queue is; the others of `loan`.
    @discardableResult
    public func send(_ bytes: RawSpan, tag: UInt64 = 0, timeout: Duration? = nil)
      throws(ZincError) -> UInt64?
    {
      try channel.send(bytes, tag: tag, timeout: timeout)
    }

    /// Sends these elements, as they are in memory. Otherwise as `send` of bytes.
    @discardableResult
    public func send<Element: BitwiseCopyable>(
      _ elements: Span<Element>, tag: UInt64 = 0, timeout: Duration? = nil
    ) throws(ZincError) -> UInt64? {
      try channel.send(elements, tag: tag, timeout: timeout)
    }

    /// As the other `send`, for a task: it blocks no thread. See `SharedChannel.send`.
    @discardableResult
    public func send(_ bytes: RawSpan, tag: UInt64 = 0, timeout: Duration? = nil) async throws
      -> UInt64?
    {
      try await channel.send(bytes, tag: tag, timeout: timeout)
    }

    /// Sends these elements, as they are in memory. Otherwise as `send` of bytes.
    @discardableResult
    public func send<Element: BitwiseCopyable>(
      _ elements: Span<Element>, tag: UInt64 = 0, timeout: Duration? = nil
    ) async throws -> UInt64? {
      try await channel.send(elements, tag: tag, timeout: timeout)
    }

    // MARK: - Working, and the end

    /// Takes messages from here on, on a seat of its own; it does not need this value any more.
    ///
    /// - Throws: `ZincError`: `notFound` if the queue has lost its name, since it is opened once
    ///   more; `noSeat` if all are taken; `notPermitted` where this user may only read.
    public func worker() throws(ZincError) -> Worker {
      let region = try channel.writing.once("work for")
      let worker = unsafe try region.with("work for") { handle throws(Failure) in
        unsafe try QueueWorker.make(handle)
      }
      return unsafe Worker(
        QueueWorking(region, worker.assumingMemoryBound(to: QueueWorker.self)))
    }

    /// Closes it for good, for all: who sends gets `closed`, and workers end once nothing is left.
    /// Again is no error.
    ///
    /// - Throws: `ZincError`: `notPermitted` where this user may only read.
    public func close() throws(ZincError) {
      unsafe try channel.writing.region.with("close the queue") { handle throws(Failure) in
        unsafe try Attachment.closeQueue(handle)
      }
    }

    /// Was it closed?
    public var isClosed: Bool { channel.writing.memory.isClosed }

    /// Waits until all messages that were sent are done, within `timeout`; nil waits for ever.
    ///
    /// - Returns: false if they were not in time.
    /// - Throws: `ZincError` if code that knows nothing of it has closed its descriptor.
    @discardableResult
    public func join(timeout: Duration? = nil) throws(ZincError) -> Bool {
      let deadline = SharedRegion.deadline(timeout)
      return unsafe try channel.writing.region.with("wait until all is done of") {
        handle throws(Failure) in
        try LockPlace.done(unsafe Attachment.waitUntilDone(handle, [], deadline: deadline))
      }
    }

    // MARK: - What it is

    /// The name that it was created under.
    public var name: String { channel.name }

    /// The call that this value is from created the queue.
    public var isCreated: Bool { channel.isCreated }

    /// Does the name still lead to this queue? One system call.
    public var isLinked: Bool { channel.isLinked }

    /// Removes its name, as `SharedRegion.unlink()` does: who has it goes on, and nobody comes.
    ///
    /// - Throws: `ZincError`: `notFound` if the name leads elsewhere by now, or there is none.
    public func unlink() throws(ZincError) { try channel.unlink() }

    /// So many messages may wait.
    public var capacity: Int { channel.slots }

    /// Bytes of a message, at most.
    public var slotSize: Int { channel.slotSize }

    /// How many messages a worker may be at work on at once.
    public var views: Int { channel.views }

    /// What somebody was at work on who is killed goes to another one.
    public var redelivers: Bool { !channel.writing.memory.geometry.isOnce }
  }
#endif
