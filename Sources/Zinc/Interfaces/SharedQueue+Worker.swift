// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc

  extension SharedQueue {
    /// Who takes messages of a queue; `SharedQueue.worker` makes it.
    ///
    /// Any number of threads may take at once: each message goes to one of them. Tasks outlive it,
    /// and the process stays attached until the last of them is over. A forked child goes on with it
    /// as its own, and is at work on nothing.
    @safe public struct Worker: ~Copyable, Sendable {
      let working: QueueWorking

      init(_ working: QueueWorking) { self.working = working }

      /// The name of its queue; empty for an anonymous one.
      public var name: String { working.region.name }

      /// Was the queue closed?
      public var isClosed: Bool { unsafe working.worker.pointee.end.memory.isClosed }

      /// Takes the next message, within `timeout`; nil waits for ever.
      ///
      /// - Returns: nil if none came in time, or if the queue is closed, which `isClosed` tells, and
      ///   nothing is left that could come.
      /// - Throws: `ZincError`: `noSlot` if it is at work on as many messages as it may, `notARegion`
      ///   if something else has written on the queue; in a forked child those of
      ///   `SharedQueue.worker`.
      public func take(timeout: Duration? = nil) throws(ZincError) -> Task? {
        unsafe try working.region.with("take a message of") { _ throws(Failure) in
          try working.take(until: SharedRegion.deadline(timeout))
        }
      }

      /// Takes the next message if there is one. Otherwise as `take`.
      public func tryTake() throws(ZincError) -> Task? { try take(timeout: .zero) }

      /// As the other `take`, for a task of Swift: it blocks no thread, and other tasks run at least
      /// once.
      ///
      /// - Throws: `CancellationError`, promptly, when the task is cancelled; nothing has been taken
      ///   then. `ZincError` as the other, and if the thread that sleeps for all tasks of this
      ///   process can't be had.
      public func take(timeout: Duration? = nil) async throws -> Task? {
        let deadline = SharedRegion.deadline(timeout)
        await _Concurrency.Task.yield()
        while true {
          try _Concurrency.Task.checkCancellation()
          let seen = working.region.sequence
          if let task = try tryTake() { return task }
          if working.isOver { return nil }
          let now = deadline == 0 ? 0 : czinc_monotonic()
          if now >= deadline { return nil }
          // Nobody tells of one that is killed at work.
          let wakeUp = min(deadline, now + Attachment.longestNap)
          let wait = unsafe TaskWait(working.region.attachment, seen, wakeUp)
          switch try await TaskWaits.shared().outcome(of: wait) {
          // What came at the last moment counts.
          case .notified, .timedOut: continue
          // Not while this call borrows the worker.
          case .closed: return nil
          case .cancelled: throw CancellationError()
          case .failed(let error): throw error
          }
        }
      }
    }

    /// A message that a worker is at work on, where it is in shared memory, until `done` says that it
    /// is. One that is not done at the end of its lifetime is given back: so whoever throws amid its
    /// work leaves the message to others. What is taken of its memory can't outlive it.
    ///
    /// Any thread may have it. A forked child is not at work on it.
    @safe public struct Task: ~Copyable, @unchecked Sendable {
      private let working: QueueWorking
      private let reference: QueueWorker.Reference
      private let buffer: UnsafeRawBufferPointer
      /// Its number, from 1, without gaps.
      public let number: UInt64
      /// When it was sent, in nanoseconds since 1970.
      public let time: UInt64
      /// The number that its sender has given it.
      public let tag: UInt64
      /// How many were at work on it before, and were killed or gave it back; 7 for more, too.
      public let redelivered: Int

      init(_ task: QueueWorker.Task, _ working: QueueWorking) {
        let (head, data) = unsafe working.worker.pointee.end.memory.look(
          at: task.slot, task.claim.number)
        self.working = working
        reference = QueueWorker.Reference(
          slot: task.slot, number: head.number, owner: task.owner)
        unsafe buffer = UnsafeRawBufferPointer(start: data, count: Int(head.length))
        number = head.number
        time = head.time
        tag = head.tag
        redelivered = Int(task.claim.times)
      }

      deinit {
        let worker = unsafe working.worker
        if unsafe !worker.pointee.release(reference) {
          _ = unsafe worker.pointee.giveBack(reference)
        }
      }

      /// Its bytes.
      public var bytes: RawSpan {
        @_lifetime(borrow self) get { unsafe _overrideLifetime(buffer.bytes, borrowing: self) }
      }

      /// Its bytes as numbers of a type, as many as there are whole ones.
      @_lifetime(borrow self)
      public func span<Number: SIMDScalar & BitwiseCopyable>(of type: Number.Type) -> Span<Number> {
        unsafe _overrideLifetime(buffer.bindMemory(to: type).span, borrowing: self)
      }

      /// Says that it is done, for all, once; nobody gets it any more. Its bytes stay until the end of
      /// its lifetime, and count as one that the worker holds.
      ///
      /// - Throws: `ZincError`: `invalidArgument` the second time, and in a forked child, whose parent
      ///   is at work on it.
      public func done() throws(ZincError) {
        unsafe try working.region.with("be done with a message of") { _ throws(Failure) in
          if unsafe !working.worker.pointee.finish(reference) {
            throw Failure(
              EINVAL, "this worker is not at work on message %, or not any more", number)
          }
        }
      }

      /// Gives it back before its lifetime ends, undone, unless it is done. This worker gets it again
      /// only once others have had 20 ms for it. Where nobody gets a message again, nobody does.
      ///
      /// To consume one whose bytes were looked at in the same scope takes a `var` in Swift 6.3: else
      /// let it end its scope.
      public consuming func giveBack() {}
    }
  }

  /// A handle that works, until the last who has this is done: the worker value, and its tasks.
  @safe final class QueueWorking: @unchecked Sendable {
    let region: SharedRegion
    let worker: QueueWorker.Pointer
    private let turn = Turn()

    init(_ region: consuming SharedRegion, _ worker: QueueWorker.Pointer) {
      self.region = region
      unsafe self.worker = unsafe worker
    }

    deinit { unsafe QueueWorker.free(worker) }

    /// The next message; nil if none came until `deadline`, or none will.
    func take(until deadline: UInt64) throws(Failure) -> SharedQueue.Task? {
      while true {
        if let task = try take() { return SharedQueue.Task(task, self) }
        if isOver { return nil }
        // Threads wait together.
        guard try LockPlace.done(unsafe worker.pointee.wait([], deadline: deadline)) else {
          return nil
        }
      }
    }

    /// One thread at a time.
    private func take() throws(Failure) -> QueueWorker.Task? {
      turn.enter()
      defer { turn.leave() }
      if case .task(let task) = unsafe try worker.pointee.take() { return task }
      return nil
    }

    /// Is the queue closed, and can't anything come any more?
    var isOver: Bool { unsafe worker.pointee.isOver }
  }
#endif
