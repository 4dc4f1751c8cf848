// The library for C and Python has no use for Swift's arrays.
#if !hasFeature(Embedded)
  internal import CZinc

  extension SharedChannel {
    /// Who reads a channel, or did and was killed.
    public struct ReaderInfo: Sendable {
      /// As that process saw itself.
      public let pid: Int32
      /// It was not killed.
      public let isAlive: Bool
      /// Since when: nanoseconds since 1970.
      public let since: UInt64
      /// The number of the message that it wants next; 0 if it has only just come.
      public let next: UInt64
      /// How many messages there have been that it has not come to yet, displaced ones too.
      public let lag: UInt64
      /// How many it has missed.
      public let lost: UInt64
      /// How many it holds.
      public let views: Int
      /// Writers do not wait for it: it held one up for too long, or is closed but for messages that
      /// it holds.
      public let isEvicted: Bool
    }

    /// Who writes to a channel, or did and was killed.
    public struct WriterInfo: Sendable {
      /// As that process saw itself.
      public let pid: Int32
      /// It was not killed.
      public let isAlive: Bool
      /// Since when: nanoseconds since 1970.
      public let since: UInt64
      /// Since when it waits for readers, in nanoseconds since 1970; nil if it does not.
      public let waitingSince: UInt64?

      init(_ user: ZincChannelUser) {
        pid = user.seat.pid
        isAlive = user.seat.is_alive == 1
        since = user.seat.since
        waitingSince = user.waiting_since == 0 ? nil : user.waiting_since
      }
    }

    /// What a channel looks like from outside; `examine` gives it.
    public struct Info: Sendable {
      /// How many messages it keeps.
      public let slots: Int
      /// Bytes of a message, at most.
      public let slotSize: Int
      /// How many messages a reader may hold at once.
      public let views: Int
      /// What happens when it is full.
      public let full: Full
      /// The number of the newest message; 0 if there is none yet.
      public let newest: UInt64
      /// Who reads it, or did and was killed.
      public let readers: [ReaderInfo]
      /// Who writes to it, or did and was killed.
      public let writers: [WriterInfo]

      fileprivate static func see(_ memory: ChannelMemory) -> (
        geometry: ChannelGeometry, newest: UInt64
      ) {
        (memory.geometry, memory.newest())
      }

      fileprivate init(_ geometry: ChannelGeometry, newest: UInt64, _ users: [ZincChannelUser]) {
        readers = users.filter { $0.seat.role == SeatTable.Role.reads.rawValue }.map { user in
          ReaderInfo(
            pid: user.seat.pid, isAlive: user.seat.is_alive == 1, since: user.seat.since,
            next: user.next, lag: user.next == 0 ? 0 : newest.lag(behind: user.next),
            lost: user.lost, views: Int(user.views), isEvicted: user.is_evicted == 1)
        }
        writers = users.filter { $0.seat.role == SeatTable.Role.writes.rawValue }
          .map(WriterInfo.init)
        slots = geometry.messages
        slotSize = geometry.payload
        views = geometry.views
        full = geometry.waits ? .wait : .overwrite
        self.newest = newest
      }
    }

    /// What can be told of it, and of who reads and writes. The result is no single moment.
    ///
    /// - Throws: `ZincError` if code that knows nothing of it has closed its descriptor.
    public var info: Info {
      get throws(ZincError) {
        let (seen, users) = try look("look at the channel", Info.see)
        return Info(seen.geometry, newest: seen.newest, users)
      }
    }

    /// The same of the channel of this name, without attaching to it; see `SharedRegion.examine`.
    ///
    /// - Throws: `ZincError`: `notARegion` if it is no channel, or a damaged one; the others of
    ///   `SharedRegion.examine`.
    public static func examine(_ name: String) throws(ZincError) -> Info {
      let (seen, users) = try look("look at the channel", at: name, Info.see)
      return Info(seen.geometry, newest: seen.newest, users)
    }

    /// What `see` finds in it, and who uses it.
    func look<Seen>(
      _ operation: StaticString, _ see: (ChannelMemory) throws(Failure) -> Seen
    ) throws(ZincError) -> (Seen, [ZincChannelUser]) {
      let memory = writing.memory
      return unsafe try writing.region.with(operation) { handle throws(Failure) in
        let seats = unsafe handle.pointee.header.seats
        var users: [ZincChannelUser] = []
        unsafe try tellEach {
          unsafe users.append($0.pointee)
        } look: { (visit: (ZincChannelUser) -> Void) throws(Failure) in
          unsafe try Attachment.visitSeats(handle) { memory.visit($0, seats, visit) }
        }
        return (try see(memory), users)
      }
    }

    /// The same from outside.
    static func look<Seen>(
      _ operation: StaticString, at name: String,
      _ see: (ChannelMemory) throws(Failure) -> Seen
    ) throws(ZincError) -> (Seen, [ZincChannelUser]) {
      try SharedRegion.withPath(operation, name) { path throws(Failure) in
        var found: Seen?
        var users: [ZincChannelUser] = []
        try RegionName.lookAtChannel(path) { (memory) throws(Failure) in
          found = try see(memory)
        } visit: {
          users.append($0)
        }
        guard let found else { throw RegionName.notFound }
        return (found, users)
      }
    }

    /// Waits until `count` who live read it, within `timeout`; nil waits for ever. A reader that is
    /// killed is not counted from the next look on, 50 times a second.
    ///
    /// - Returns: false if there were fewer all the time.
    /// - Throws: `ZincError` as `info`.
    @discardableResult
    public func waitForReaders(_ count: Int, timeout: Duration? = nil) throws(ZincError) -> Bool {
      let deadline = SharedRegion.deadline(timeout)
      return unsafe try writing.region.with("wait for readers of") { handle throws(Failure) in
        try LockPlace.done(
          unsafe Attachment.waitForReaders(handle, count, [], deadline: deadline))
      }
    }
  }
#endif
