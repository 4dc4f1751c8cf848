// The library for C and Python has no use for Swift's arrays.
#if !hasFeature(Embedded)
  internal import CZinc

  extension SharedQueue {
    /// Who takes messages of a queue, or did and was killed.
    public struct WorkerInfo: Sendable {
      /// As that process saw itself.
      public let pid: Int32
      /// It was not killed.
      public let isAlive: Bool
      /// Since when: nanoseconds since 1970.
      public let since: UInt64
      /// How many messages it is at work on.
      public let held: Int
      /// The number of the first of these; nil if there is none.
      public let first: UInt64?
    }

    /// What a queue looks like; `examine` gives it. Each number is of another moment.
    public struct Info: Sendable {
      /// So many messages may wait.
      public let capacity: Int
      /// Bytes of a message, at most.
      public let slotSize: Int
      /// How many messages a worker may be at work on at once.
      public let views: Int
      /// What somebody was at work on who is killed goes to another one.
      public let redelivers: Bool
      /// The number of the newest message; 0 if there is none yet.
      public let newest: UInt64
      /// It takes no more messages.
      public let isClosed: Bool
      /// How many messages nobody has taken.
      public let waiting: Int
      /// How many somebody is at work on, or was and was killed.
      public let held: Int
      /// How many somebody was, or gave back, and that wait for another one.
      public let left: Int
      /// Who works, or did and was killed.
      public let workers: [WorkerInfo]
      /// Who writes to it, or did and was killed.
      public let writers: [SharedChannel.WriterInfo]

      fileprivate typealias Seen = (
        geometry: ChannelGeometry, newest: UInt64, isClosed: Bool,
        count: (waiting: UInt64, held: UInt64, left: UInt64)
      )

      fileprivate static func see(_ memory: ChannelMemory) throws(Failure) -> Seen {
        try memory.checkShared()
        return (memory.geometry, memory.newest(), memory.isClosed, memory.count())
      }

      fileprivate init(_ seen: Seen, _ users: [ZincChannelUser]) {
        workers = users.filter { $0.seat.role == SeatTable.Role.works.rawValue }.map { user in
          WorkerInfo(
            pid: user.seat.pid, isAlive: user.seat.is_alive == 1, since: user.seat.since,
            held: Int(user.views), first: user.next == 0 ? nil : user.next)
        }
        writers = users.filter { $0.seat.role == SeatTable.Role.writes.rawValue }
          .map(SharedChannel.WriterInfo.init)
        capacity = seen.geometry.messages
        slotSize = seen.geometry.payload
        views = seen.geometry.views
        redelivers = !seen.geometry.isOnce
        newest = seen.newest
        isClosed = seen.isClosed
        waiting = Int(seen.count.waiting)
        held = Int(seen.count.held)
        left = Int(seen.count.left)
      }
    }

    /// What can be told of it, and of who works and writes.
    ///
    /// - Throws: `ZincError` if code that knows nothing of it has closed its descriptor.
    public var info: Info {
      get throws(ZincError) {
        let (seen, users) = try channel.look("look at the queue", Info.see)
        return Info(seen, users)
      }
    }

    /// The same of the queue of this name, without attaching to it; see `SharedRegion.examine`.
    ///
    /// - Throws: `ZincError`: `notARegion` if it is no queue, or a damaged one; the others of
    ///   `SharedRegion.examine`.
    public static func examine(_ name: String) throws(ZincError) -> Info {
      let (seen, users) = try SharedChannel.look("look at the queue", at: name, Info.see)
      return Info(seen, users)
    }
  }
#endif
