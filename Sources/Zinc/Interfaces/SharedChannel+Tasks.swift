// The library for C and Python has no tasks.
#if !hasFeature(Embedded)
  internal import CZinc

  // Messages can't be copied, and what `for await` gives has to be: a task iterates by
  // `while let message = try await reader.receive()`.
  extension SharedChannel.Reader {
    /// As the other `receive`, for a task: it blocks no thread, and other tasks run at least once.
    ///
    ///     while let message = try await reader.receive() { show(message.bytes) }
    ///
    /// - Throws: `CancellationError`, promptly, when the task is cancelled; nothing has been
    ///   received then. `ZincError` as the other, and if the thread that sleeps for all tasks of
    ///   this process can't be had.
    public func receive(timeout: Duration? = nil) async throws -> SharedChannel.Message? {
      let deadline = SharedRegion.deadline(timeout)
      await Task.yield()
      while true {
        try Task.checkCancellation()
        let seen = reading.region.sequence
        if let message = try tryReceive() { return message }
        if untilGone && !hasWriters { return try tryReceive() }
        let now = deadline == 0 ? 0 : czinc_monotonic()
        if now >= deadline { return nil }
        let wakeUp = reading.wakeUp(before: deadline, now, untilGone)
        let wait = unsafe TaskWait(reading.region.attachment, seen, wakeUp)
        switch try await TaskWaits.shared().outcome(of: wait) {
        // What came at the last moment counts.
        case .notified, .timedOut: continue
        // Not while this call borrows the reader.
        case .closed: return nil
        case .cancelled: throw CancellationError()
        case .failed(let error): throw error
        }
      }
    }
  }

  extension SharedChannel {
    /// As the other `send`, for a task: it blocks no thread.
    ///
    /// While the channel is full it looks for room after half a millisecond, and then less and less
    /// often, up to 20 ms.
    ///
    /// - Throws: `CancellationError` when the task is cancelled; nothing has been sent then.
    ///   `ZincError` as the other.
    @discardableResult
    public func send(_ bytes: RawSpan, tag: UInt64 = 0, timeout: Duration? = nil) async throws
      -> UInt64?
    {
      var loan = try filled(bytes, tag)
      return try await loan.publish(until: SharedRegion.deadline(timeout))
    }

    /// Sends these elements, as they are in memory. Otherwise as `send` of bytes.
    @discardableResult
    public func send<Element: BitwiseCopyable>(
      _ elements: Span<Element>, tag: UInt64 = 0, timeout: Duration? = nil
    ) async throws -> UInt64? {
      try await send(unsafe elements.bytes, tag: tag, timeout: timeout)
    }
  }

  extension SharedChannel.Loan {
    /// As the other `publish`, for a task: it blocks no thread.
    ///
    /// - Throws: `CancellationError` when the task is cancelled; it is given back then. `ZincError`
    ///   as the other.
    @discardableResult
    public consuming func publish() async throws -> UInt64 {
      while true {
        if let number = try await publish(until: .max) { return number }
      }
    }

    /// As the other `publish(timeout:)`, for a task: it blocks no thread.
    ///
    /// - Throws: as `publish()`.
    public consuming func publish(timeout: Duration) async throws -> SharedChannel.Publication {
      guard let number = try await publish(until: SharedRegion.deadline(timeout)) else {
        return .timedOut(self)
      }
      return .published(number)
    }

    fileprivate mutating func publish(until deadline: UInt64) async throws -> UInt64? {
      var nap: UInt64 = 500_000
      while true {
        try Task.checkCancellation()
        if let number = try publish(deadline: 0) { return number }
        let now = czinc_monotonic()
        if now >= deadline { return nil }
        try await Task.sleep(nanoseconds: min(nap, deadline - now))
        nap = min(nap * 2, 20_000_000)
      }
    }
  }
#endif
