// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc

  extension SharedChannel {
    /// Takes a slot on loan, for a message of `length` bytes; nil is all that there may be. It holds
    /// whatever it held before.
    ///
    /// - Parameters:
    ///   - length: bytes of the message.
    ///   - tag: a number for the message's readers.
    /// - Throws: `ZincError`: `tooLong` for more than `slotSize`, `invalidArgument` for less than
    ///   none; `noSlot` if more write, or hold loans and messages, than the channel was made for;
    ///   `noSeat` if all are taken; `notPermitted` where this user may only read.
    public func loan(length: Int? = nil, tag: UInt64 = 0) throws(ZincError) -> Loan {
      let writing = writing
      return unsafe try writing.region.with("take a loan of") { handle throws(Failure) in
        let length = try Loan.checked(length ?? slotSize, writing)
        // All of the slot, to which it may be resized.
        let slot = try writing.loan(for: slotSize)
        guard slot >= 0 else { throw ChannelWriter.noSlot }
        return unsafe Loan(
          writing: writing, slot: slot, owner: Attachment.identity(handle),
          start: writing.memory.payload(slot), length: length, tag: tag)
      }
    }

    /// Sends a message, with one copy, and waits for readers within `timeout` where writers wait;
    /// nil waits for ever.
    ///
    /// - Parameters:
    ///   - bytes: of the message.
    ///   - tag: a number for the message's readers.
    ///   - timeout: how long to wait.
    /// - Returns: the message's number; nil if there was no room in time.
    /// - Throws: `ZincError` as `loan`.
    @discardableResult
    public func send(_ bytes: RawSpan, tag: UInt64 = 0, timeout: Duration? = nil)
      throws(ZincError) -> UInt64?
    {
      var loan = try filled(bytes, tag)
      return try loan.publish(deadline: SharedRegion.deadline(timeout))
    }

    /// Sends these elements, as they are in memory. Otherwise as `send` of bytes.
    @discardableResult
    public func send<Element: BitwiseCopyable>(
      _ elements: Span<Element>, tag: UInt64 = 0, timeout: Duration? = nil
    ) throws(ZincError) -> UInt64? {
      try send(unsafe elements.bytes, tag: tag, timeout: timeout)
    }

    func filled(_ bytes: RawSpan, _ tag: UInt64) throws(ZincError) -> Loan {
      let loan = try loan(length: bytes.byteCount, tag: tag)
      unsafe bytes.withUnsafeBytes { unsafe loan.buffer.copyMemory(from: $0) }
      return loan
    }

    /// A slot that is filled in place, and then published or discarded; what is neither is given
    /// back at the end of its lifetime.
    ///
    /// What is taken of its memory can't outlive it, so a message stays what it is once it is
    /// published. One thread at a time has it, any may. A forked child has none of its parent's: to
    /// it they are empty, and can't be published.
    @safe public struct Loan: ~Copyable, @unchecked Sendable {
      fileprivate let writing: ChannelWriting
      fileprivate let slot: Int
      /// Who took it: not a forked child.
      fileprivate let owner: SeatIdentity
      fileprivate let start: UnsafeMutableRawPointer
      /// Bytes of the message.
      public private(set) var length: Int
      /// A number for the message's readers.
      public var tag: UInt64
      private var isOver = false

      fileprivate init(
        writing: ChannelWriting, slot: Int, owner: SeatIdentity,
        start: UnsafeMutableRawPointer, length: Int, tag: UInt64
      ) {
        self.writing = writing
        self.slot = slot
        self.owner = owner
        unsafe self.start = unsafe start
        self.length = length
        self.tag = tag
      }

      deinit {
        if !isOver && isOurs { try? writing.discard(slot) }
      }

      private var isOurs: Bool { unsafe Attachment.identity(writing.region.attachment) == owner }

      fileprivate var buffer: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: start, count: isOurs ? length : 0)
      }

      fileprivate static func checked(_ length: Int, _ writing: ChannelWriting) throws(Failure)
        -> Int
      {
        let most = writing.memory.geometry.payload
        guard length >= 0 else { throw Failure(EINVAL, "a message has no negative length") }
        guard length <= most else { throw ChannelWriter.tooLong(UInt64(length), UInt64(most)) }
        return length
      }

      /// Its bytes.
      public var bytes: RawSpan {
        @_lifetime(borrow self) get { unsafe _overrideLifetime(buffer.bytes, borrowing: self) }
      }

      /// Its bytes, to write them.
      public var mutableBytes: MutableRawSpan {
        @_lifetime(&self) mutating get {
          unsafe _overrideLifetime(buffer.mutableBytes, mutating: &self)
        }
      }

      /// As many numbers of a type as its bytes have room for, to write them.
      @_lifetime(&self)
      public mutating func mutableSpan<Number: SIMDScalar & BitwiseCopyable>(of type: Number.Type)
        -> MutableSpan<Number>
      {
        unsafe _overrideLifetime(buffer.bindMemory(to: type).mutableSpan, mutating: &self)
      }

      /// Makes the message one of so many bytes, as what was compressed into it has.
      ///
      /// - Throws: `ZincError`: `tooLong` for more than the channel's `slotSize`, `invalidArgument`
      ///   for less than none; the loan is as before.
      public mutating func resize(to length: Int) throws(ZincError) {
        let writing = writing
        self.length = unsafe try writing.region.with("resize a loan of") { _ throws(Failure) in
          try Loan.checked(length, writing)
        }
      }

      /// Publishes it as the channel's next message, and waits for readers where writers wait.
      ///
      /// - Returns: the message's number.
      /// - Throws: `ZincError`: `invalidArgument` in a forked child, whose parent's it is; what goes
      ///   wrong with the system. It is given back then.
      @discardableResult
      public consuming func publish() throws(ZincError) -> UInt64 {
        while true {
          if let number = try publish(deadline: .max) { return number }
        }
      }

      /// Publishes it if there is room within `timeout`.
      ///
      /// - Throws: as `publish()`.
      public consuming func publish(timeout: Duration) throws(ZincError) -> Publication {
        guard let number = try publish(deadline: SharedRegion.deadline(timeout)) else {
          return .timedOut(self)
        }
        return .published(number)
      }

      /// Gives it back, unpublished.
      public consuming func discard() {}

      mutating func publish(deadline: UInt64) throws(ZincError) -> UInt64? {
        guard
          let number = unsafe try writing.region.with(
            "publish to",
            { _ throws(Failure) -> UInt64? in
              guard isOurs else {
                throw Failure(EINVAL, "the loan is the parent process's: take one here")
              }
              var head = ZincMessageHead(
                number: 0, length: UInt64(length), time: czinc_wall(), tag: tag)
              return try writing.publish(slot, &head, deadline: deadline) ? head.number : nil
            })
        else { return nil }
        isOver = true
        return number
      }
    }

    /// What came of an attempt to publish.
    public enum Publication: ~Copyable, Sendable {
      /// As the message of this number.
      case published(UInt64)
      /// There was no room in time: the loan still is one.
      case timedOut(Loan)
    }
  }
#endif
