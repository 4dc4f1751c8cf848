// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc

  extension SharedChannel {
    /// Who reads a channel, from a message on; `SharedChannel.reader` makes it.
    ///
    /// Any number of threads may receive at once: each message goes to one of them. Messages outlive
    /// it, and the process stays attached until the last of them is given back; writers do not wait
    /// for it any more. A forked child goes on from where its parent was, on a seat of its own.
    @safe public struct Reader: ~Copyable, Sendable {
      let reading: ChannelReading
      let untilGone: Bool

      init(_ reading: ChannelReading, untilGone: Bool) {
        self.reading = reading
        self.untilGone = untilGone
      }

      deinit { reading.stop() }

      /// The name of its channel; empty for an anonymous one.
      public var name: String { reading.region.name }

      /// Receives the next message, within `timeout`; nil waits for ever.
      ///
      /// - Returns: nil if none came in time; of a reader `untilGone` also if no message is left and
      ///   all who have written are gone, killed too: `hasWriters` tells.
      /// - Throws: `ZincError`: `noSlot` if the reader holds as many messages as it may, `notARegion`
      ///   if something else has written on the channel; in a forked child those of
      ///   `SharedChannel.reader`.
      public func receive(timeout: Duration? = nil) throws(ZincError) -> Message? {
        unsafe try reading.region.with("receive from") { _ throws(Failure) in
          if let message = try reading.receive() { return message }
          return try reading.wait(until: SharedRegion.deadline(timeout), untilGone: untilGone)
        }
      }

      /// Receives the next message if there is one. Otherwise as `receive`.
      public func tryReceive() throws(ZincError) -> Message? {
        unsafe try reading.region.with("receive from") { _ throws(Failure) in try reading.receive()
        }
      }

      /// Receives the newest message, and skips those before it, which count as lost. nil if it was
      /// received already, or there is none. Never waits. Throws as `receive`.
      public func latest() throws(ZincError) -> Message? {
        unsafe try reading.region.with("receive from") { _ throws(Failure) in
          try reading.receive(skips: true)
        }
      }

      /// How many messages it has missed: those that were displaced before it came to them, and
      /// those that `latest` has skipped.
      public var lost: UInt64 { reading.look().lost }

      /// The number of the message that it wants next.
      public var next: UInt64 { reading.look().next }

      /// How many messages there have been that it has not come to yet, displaced ones too.
      public var lag: UInt64 {
        let next = next
        return unsafe reading.reader.pointee.end.memory.newest().lag(behind: next)
      }

      /// Does somebody live who writes, or has nobody written yet?
      public var hasWriters: Bool { reading.hasWriters }
    }

    /// A message where it is in shared memory. It stays as it is until it is released, or its
    /// lifetime ends, whatever becomes of the reader; what is taken of its memory can't outlive it.
    ///
    /// Any thread may have it. In a forked child it is no longer held: its bytes stay what they are
    /// as long as the parent holds it.
    @safe public struct Message: ~Copyable, @unchecked Sendable {
      private let reading: ChannelReading
      private let view: Int
      /// Who holds it: not a forked child.
      private let owner: SeatIdentity
      private let buffer: UnsafeRawBufferPointer
      /// Its number, from 1, without gaps.
      public let number: UInt64
      /// When it was sent, in nanoseconds since 1970.
      public let time: UInt64
      /// The number that its sender has given it.
      public let tag: UInt64

      init(_ received: ChannelReader.Message, _ reading: ChannelReading) {
        let (head, data) = unsafe reading.reader.pointee.look(at: received)
        self.reading = reading
        owner = received.owner
        view = received.view
        unsafe buffer = UnsafeRawBufferPointer(start: data, count: Int(head.length))
        number = head.number
        time = head.time
        tag = head.tag
      }

      deinit { unsafe reading.reader.pointee.release(view, of: owner) }

      /// Its bytes.
      public var bytes: RawSpan {
        @_lifetime(borrow self) get { unsafe _overrideLifetime(buffer.bytes, borrowing: self) }
      }

      /// Its bytes as numbers of a type, as many as there are whole ones.
      @_lifetime(borrow self)
      public func span<Number: SIMDScalar & BitwiseCopyable>(of type: Number.Type) -> Span<Number> {
        unsafe _overrideLifetime(buffer.bindMemory(to: type).span, borrowing: self)
      }

      /// Gives it back before its lifetime ends. To consume one whose bytes were looked at in the same
      /// scope takes a `var` in Swift 6.3: else let it end its scope.
      public consuming func release() {}
    }
  }

  /// A handle that reads, until the last who has this is done: the reader value, and its messages.
  @safe final class ChannelReading: @unchecked Sendable {
    let region: SharedRegion
    let reader: ChannelReader.Pointer
    private let turn = Turn()

    init(_ region: consuming SharedRegion, _ reader: ChannelReader.Pointer) {
      self.region = region
      unsafe self.reader = unsafe reader
    }

    deinit { unsafe ChannelReader.free(reader) }

    /// One thread at a time reads, and any gives back.
    private func inTurn<Value: ~Copyable>(
      _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
      turn.enter()
      defer { turn.leave() }
      return try body()
    }

    /// The next message; nil if there is none.
    func receive(skips: Bool = false) throws(Failure) -> SharedChannel.Message? {
      try inTurn { () throws(Failure) in
        if skips { unsafe reader.pointee.skip() }
        guard let received = unsafe try reader.pointee.receive() else { return nil }
        return SharedChannel.Message(received, self)
      }
    }

    /// The next message; nil if none came until `deadline`, or with `untilGone` none will.
    func wait(until deadline: UInt64, untilGone: Bool) throws(Failure) -> SharedChannel.Message? {
      while true {
        let seen = region.sequence
        if let message = try receive() { return message }
        // What the last one published before it went comes first.
        if untilGone && !hasWriters { return try receive() }
        let now = deadline == 0 ? 0 : czinc_monotonic()
        if now >= deadline { return nil }
        let wakeUp = wakeUp(before: deadline, now, untilGone)
        let result = unsafe region.attachment.pointee.notification.wait(
          past: seen, deadline: wakeUp)
        if result == .closed { throw LockPlace.closed }
      }
    }

    /// Nobody tells of a writer that is killed.
    func wakeUp(before deadline: UInt64, _ now: UInt64, _ untilGone: Bool) -> UInt64 {
      untilGone ? min(deadline, now + Attachment.longestNap) : deadline
    }

    /// Does somebody live who writes, or has nobody written yet?
    var hasWriters: Bool { unsafe reader.pointee.end.hasWriters }

    /// Once its reader value is gone.
    func stop() {
      turn.enter()
      defer { turn.leave() }
      unsafe reader.pointee.stop()
    }

    func look() -> (next: UInt64, lost: UInt64) {
      turn.enter()
      defer { turn.leave() }
      return unsafe (reader.pointee.next, reader.pointee.lost)
    }
  }
#endif
