// The library for C and Python has no tasks.
#if !hasFeature(Embedded)
  internal import CZinc
  internal import Synchronization

  extension SharedRegion {
    /// As the other `wait(timeout:)`, for a task: it blocks no thread, neither this one
    /// nor the pool's. Other tasks run at least once, even if there is something new
    /// already.
    ///
    /// - Throws: `CancellationError`, promptly, when the task is cancelled; nothing has
    ///   been seen then. `ZincError` if the thread that sleeps for all tasks of this
    ///   process can't be had.
    @discardableResult
    public func wait(timeout: Duration? = nil) async throws -> Bool {
      let isNew = try await wait(after: seen, timeout: timeout)
      if isNew { _ = tryWait() }
      return isNew
    }

    /// As the other `wait(after:timeout:)`, for a task; throws as `wait(timeout:)`.
    @discardableResult
    public func wait(after sequence: UInt32, timeout: Duration? = nil) async throws -> Bool {
      if self.sequence != sequence || timeout.map({ $0 <= .zero }) ?? false {
        await Task.yield()
        try Task.checkCancellation()
        return self.sequence != sequence
      }
      let wait = unsafe TaskWait(attachment, sequence, SharedRegion.deadline(timeout))
      switch try await TaskWaits.shared().outcome(of: wait) {
      case .notified: return true
      // Not while this call borrows the region.
      case .timedOut, .closed: return false
      case .cancelled: throw CancellationError()
      case .failed(let error): throw error
      }
    }
  }

  /// One task that waits. The handle is borrowed until the task goes on.
  @safe final class TaskWait: @unchecked Sendable {
    enum Outcome {
      case notified, timedOut, closed, cancelled
      case failed(ZincError)
    }

    let handle: Attachment.Handle
    let last: UInt32
    let deadline: UInt64
    let isCancelled = Atomic(false)
    /// The listening thread's, once it has been added.
    var continuation: CheckedContinuation<Outcome, Never>?

    init(_ handle: Attachment.Handle, _ last: UInt32, _ deadline: UInt64) {
      unsafe self.handle = unsafe handle
      self.last = last
      self.deadline = deadline
    }

    var isClosed: Bool { unsafe handle.pointee.notification.waits.isClosing }

    func outcome(at time: UInt64) -> Outcome? {
      if isClosed { return .closed }
      if unsafe handle.pointee.notification.sequence != last { return .notified }
      if isCancelled.load(ordering: .acquiring) { return .cancelled }
      return time >= deadline ? .timedOut : nil
    }
  }

  /// All tasks of this process that wait, and the thread that sleeps for them.
  @safe final class TaskWaits: @unchecked Sendable {
    private struct State {
      var added: [TaskWait] = []
      var isListening = false
    }

    private static let instance = Mutex<TaskWaits?>(nil)
    /// How long the thread stays when nobody waits, in nanoseconds.
    private static let linger: UInt64 = 100_000_000

    private let state = Mutex(State())
    /// Tells the thread of waits that were added or cancelled.
    private let changes: SharedRegion

    private init() throws(ZincError) { changes = try .local() }

    /// Made at the first use that succeeds, and kept.
    static func shared() throws(ZincError) -> TaskWaits {
      try instance.withLock { (instance) throws(ZincError) in
        if let instance { return instance }
        let waits = try TaskWaits()
        instance = waits
        return waits
      }
    }

    func outcome(of wait: TaskWait) async -> TaskWait.Outcome {
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          wait.continuation = continuation
          add(wait)
        }
      } onCancel: {
        wait.isCancelled.store(true, ordering: .releasing)
        changes.notify()
      }
    }

    private func add(_ wait: TaskWait) {
      let error = state.withLock { state in
        if !state.isListening {
          let error = unsafe czinc_thread_start_detached(
            { waits in
              unsafe Unmanaged<TaskWaits>.fromOpaque(waits!).takeUnretainedValue().listen()
              return nil
            }, Unmanaged.passUnretained(self).toOpaque())
          if error < 0 { return error }
        }
        state.isListening = true
        state.added.append(wait)
        return 0
      }
      if error < 0 {
        wait.continuation?.resume(
          returning: .failed(unsafe ZincError("wait", nil, Failure(-error, "no thread for it"))))
      }
      changes.notify()
    }

    private func listen() {
      var waits: [TaskWait] = []
      while true {
        let told = changes.sequence
        state.withLock {
          waits += $0.added
          $0.added.removeAll()
        }
        waits = endingWaits(waits)
        let deadline =
          waits.lazy.map(\.deadline).min() ?? czinc_monotonic() + TaskWaits.linger
        let result = sleep(told, waits, until: deadline)
        // Closed by the process's exit, if it is none of the regions.
        if result == .closed && !waits.contains(where: \.isClosed)
          || result == .timedOut && waits.isEmpty && mayStop()
        {
          return
        }
      }
    }

    /// Lets those go on that need not wait any more; returns the others.
    private func endingWaits(_ waits: [TaskWait]) -> [TaskWait] {
      let time = czinc_monotonic()
      return waits.filter { wait in
        guard let outcome = wait.outcome(at: time) else { return true }
        wait.continuation?.resume(returning: outcome)
        return false
      }
    }

    private func sleep(_ told: UInt32, _ waits: [TaskWait], until deadline: UInt64)
      -> Notification.WaitResult
    {
      var items = unsafe [ZincWaitItem(handle: changes.attachment, after: told, is_new: 0)]
      for wait in waits {
        unsafe items.append(ZincWaitItem(handle: wait.handle, after: wait.last, is_new: 0))
      }
      return unsafe items.withUnsafeMutableBufferPointer {
        unsafe WaitSet($0).wait(
          forAll: false, seeing: false, deadline: deadline)
      }
    }

    private func mayStop() -> Bool {
      state.withLock {
        $0.isListening = !$0.added.isEmpty
        return !$0.isListening
      }
    }
  }
#endif
