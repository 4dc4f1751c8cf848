// The library for C and Python has no tasks.
#if !hasFeature(Embedded)
  extension SharedRegion {
    /// What is new, as a sequence to iterate over in a task.
    ///
    ///     for try await sequence in region.notifications() { show(region, sequence) }
    ///
    /// Each turn awaits a notification that this region value has not seen, sees it, and gives the
    /// sequence that has been seen then: several may be seen as one. It blocks no thread, and other
    /// tasks run at least once a turn. Ends when the lifetime of the region value does, or the task
    /// is cancelled; nothing has been seen then. Who iterates twice at once over one value gets
    /// each notification in one of the two: open the region twice instead.
    public func notifications() -> Notifications { Notifications(memory: memory) }

    /// The notifications of a region from now on, as `notifications()` gives them. The region's
    /// memory stays mapped as long as there is this value or an iterator of it, the region
    /// attached only as long as its own value.
    public struct Notifications: AsyncSequence, Sendable {
      public typealias Element = UInt32
      public typealias Failure = ZincError

      fileprivate let memory: AttachmentMemory

      public func makeAsyncIterator() -> Iterator { Iterator(memory: memory) }

      /// The place of a task in the notifications, which is what the region value has seen.
      public struct Iterator: AsyncIteratorProtocol {
        fileprivate let memory: AttachmentMemory

        /// The sequence that has been seen, once there is something new; nil at the end.
        ///
        /// - Throws: `ZincError` if the thread that sleeps for all tasks of this process can't be
        ///   had.
        public mutating func next(isolation actor: isolated (any Actor)? = #isolation)
          async throws(ZincError) -> UInt32?
        {
          let handle = unsafe memory.handle
          await Task.yield()
          while true {
            if unsafe Task.isCancelled || handle.pointee.notification.waits.isClosing {
              return nil
            }
            if unsafe handle.pointee.notification.tryWait() {
              return unsafe handle.pointee.notification.sequenceSeen
            }
            let seen = unsafe handle.pointee.notification.sequenceSeen
            let wait = unsafe TaskWait(handle, seen, .max)
            if case .failed(let error) = try await TaskWaits.shared().outcome(of: wait) {
              throw error
            }
          }
        }
      }
    }
  }
#endif
