// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc

  /// A lock that a holder that is killed does not take along.
  ///
  ///     let lock = try SharedLock.open("database")
  ///     try lock.withLock { update() }
  ///
  /// Opened by name, or a part of a region. Its holder is this value, or with `init(in:at:)` the
  /// region value: its threads exclude each other, another of them may release it, and who waits
  /// for what it holds itself waits for ever. A forked child holds nothing that its parent does.
  @safe public struct SharedLock: ~Copyable, Sendable {
    private let place: LockPlace

    /// Opens the lock of this name, or creates it if there is none. Parameters as for
    /// `SharedRegion.create` and `open`.
    ///
    /// - Throws: `ZincError`: `alreadyExists` if the name is taken by something else; those of
    ///   `SharedRegion.openOrCreate`.
    public static func open(
      _ name: String, mode: UInt32 = 0o600, group: UInt32? = nil, anyUser: Bool = false
    ) throws(ZincError) -> SharedLock {
      SharedLock(try LockPlace(opening: name, .lock, 0, mode, group, anyUser))
    }

    /// The lock at byte `offset` of a region's data: 16 bytes, zeros at first, at a multiple of 8;
    /// nil is the one that each region has beside its data. It works as long as the region value.
    public init(in region: borrowing SharedRegion, at offset: Int? = nil) {
      place = LockPlace(region, offset)
    }

    private init(_ place: consuming LockPlace) { self.place = place }

    private func lock(_ handle: Attachment.Handle) throws(Failure) -> Lock {
      guard let offset = place.offset else { return unsafe Lock(handle) }
      return unsafe try Lock(handle, at: offset)
    }

    /// What came of an attempt to acquire a lock.
    public enum Outcome: Sendable {
      case acquired
      /// Held, but its last holder died with it: repair what it guards, and release it.
      case ownerDied
      case timedOut
    }

    /// Acquires the lock, within `timeout`; nil waits for ever. With `recovers` from a dead holder,
    /// too, whose death is noticed within 20 ms; one that is stopped lives.
    ///
    /// - Throws: `ZincError`: `ownerDied`, and it is not held, unless `recovers`;
    ///   `invalidArgument` for an offset that can't be and a region that is closed; `noSeat`;
    ///   `notPermitted` where this user may only read; `notARegion` if something else has written
    ///   on the lock.
    public func acquire(timeout: Duration? = nil, recovers: Bool = false) throws(ZincError)
      -> Outcome
    {
      let deadline = SharedRegion.deadline(timeout)
      return unsafe try place.with("acquire the lock of") { handle throws(Failure) in
        switch unsafe try lock(handle).acquire([], recovers: recovers, deadline: deadline) {
        case .acquired: .acquired
        case .ownerDied: .ownerDied
        case .closed, .interrupted: throw LockPlace.closed
        case .timedOut: .timedOut
        }
      }
    }

    /// Releases the lock; what a dead holder left is repaired then.
    ///
    /// - Throws: `ZincError`: `notPermitted` if it is not held.
    public func release() throws(ZincError) {
      unsafe try place.with("release the lock of") { handle throws(Failure) in
        unsafe try lock(handle).release()
      }
    }

    /// Releases the lock, and tells the next one that what it guards is half done.
    ///
    /// - Throws: `ZincError`: `notPermitted` if it is not held.
    public func abandon() throws(ZincError) {
      unsafe try place.with("abandon the lock of") { handle throws(Failure) in
        unsafe try lock(handle).abandon()
      }
    }

    /// Calls `body` with the lock held. Taken from a dead holder, `repair` is called first: if that
    /// throws, the lock is abandoned as it was. nil repairs nothing: `ownerDied` is thrown then.
    ///
    /// - Throws: `ZincError` as `acquire`, and what `repair` and `body` throw.
    public func withLock<Result>(
      repair: (() throws -> Void)? = nil, _ body: () throws -> Result
    ) throws -> Result {
      if try acquire(recovers: repair != nil) == .ownerDied {
        do {
          try repair?()
        } catch {
          try abandon()
          throw error
        }
      }
      // Even if the region value has gone meanwhile, the lock with it: what `body` says counts.
      defer { try? release() }
      return try body()
    }

    /// Who has a lock.
    public struct Holder: Sendable {
      /// As that process saw itself.
      public let pid: Int32
      /// Since when: nanoseconds since 1970, to some milliseconds; nil if that is not known.
      public let since: UInt64?
      /// It died with the lock.
      public let isDead: Bool
    }

    /// Who has the lock, or died with it; nil for nobody. It may have changed by then.
    ///
    /// - Throws: `ZincError` as `acquire`.
    public var holder: Holder? {
      get throws(ZincError) {
        let look = unsafe try place.with("look at the lock of") { handle throws(Failure) in
          unsafe try lock(handle).look()
        }
        switch look.state {
        case .free, .damaged: return nil
        case .held, .repairing, .abandoned:
          return Holder(
            pid: look.pid, since: look.since == 0 ? nil : look.since,
            isDead: look.state == .abandoned)
        }
      }
    }
  }

  /// A lock for one writer, or any number of readers; who wants to write goes first. A dead reader
  /// reads no more, within 20 ms; of a dead writer everybody is told, as by a `SharedLock`.
  @safe public struct SharedReadWriteLock: ~Copyable, Sendable {
    private let place: LockPlace

    /// As `SharedLock.open`.
    public static func open(
      _ name: String, mode: UInt32 = 0o600, group: UInt32? = nil, anyUser: Bool = false
    ) throws(ZincError) -> SharedReadWriteLock {
      SharedReadWriteLock(try LockPlace(opening: name, .readWriteLock, 0, mode, group, anyUser))
    }

    /// How many bytes it takes inside a region.
    public static var size: Int { ReadWriteLock.size }

    /// The one at byte `offset`, a multiple of 64, of a region's data, zeros at first.
    public init(in region: borrowing SharedRegion, at offset: Int) {
      place = LockPlace(region, offset)
    }

    private init(_ place: consuming LockPlace) { self.place = place }

    private func lock(_ handle: Attachment.Handle) throws(Failure) -> ReadWriteLock {
      unsafe try ReadWriteLock(handle, at: place.offset)
    }

    /// Calls `body` while nobody writes.
    ///
    /// - Throws: `ZincError` as `SharedLock.acquire`, and what `body` throws.
    public func withReading<Result>(_ body: () throws -> Result) throws -> Result {
      _ = unsafe try place.with("acquire for reading") { handle throws(Failure) in
        try LockPlace.done(unsafe lock(handle).acquireRead([], deadline: .max))
      }
      defer {
        try? unsafe place.with("release from reading") { handle throws(Failure) in
          unsafe try lock(handle).releaseRead()
        }
      }
      return try body()
    }

    /// Calls `body` while nobody else reads or writes; `repair` as for `SharedLock.withLock`.
    public func withWriting<Result>(
      repair: (() throws -> Void)? = nil, _ body: () throws -> Result
    ) throws -> Result {
      let outcome = unsafe try place.with("acquire for writing") { handle throws(Failure) in
        let result = unsafe try lock(handle).acquireWrite(
          [], recovers: repair != nil, deadline: .max)
        _ = try LockPlace.done(result)
        return result
      }
      if outcome == Lock.Outcome.ownerDied.rawValue {
        do {
          try repair?()
        } catch {
          unsafe try place.with("abandon the writing") { handle throws(Failure) in
            unsafe try lock(handle).abandonWrite()
          }
          throw error
        }
      }
      defer {
        try? unsafe place.with("release from writing") { handle throws(Failure) in
          unsafe try lock(handle).releaseWrite()
        }
      }
      return try body()
    }
  }

  /// Where a lock or another of its family is, and what keeps it there.
  @safe struct LockPlace: ~Copyable, Sendable {
    /// What is a region of its own; nil for a part of somebody else's.
    private let own: SharedRegion?
    private let memory: AttachmentMemory
    /// nil for a region of its own, or a region's own lock.
    let offset: Int?

    init(_ region: borrowing SharedRegion, _ offset: Int?) {
      own = nil
      memory = region.memory
      self.offset = offset
    }

    init(
      opening name: String, _ primitive: Primitive, _ count: Int, _ mode: UInt32, _ group: UInt32?,
      _ anyUser: Bool
    ) throws(ZincError) {
      var options = RegionOptions(mode: mode, group: group, isPersistent: false, reserve: true)
      if anyUser { options.flags.insert(.anyUser) }
      let region = unsafe try SharedRegion.attach("open the lock", name) { path throws(Failure) in
        unsafe try Attachment.openLock(path, primitive, UInt32(clamping: count), options)
      }
      memory = region.memory
      own = consume region
      offset = nil
    }

    /// What `body` makes of the handle; a failure gets the call and the name.
    func with<Value>(
      _ operation: StaticString, _ body: (Attachment.Handle) throws(Failure) -> Value
    ) throws(ZincError) -> Value {
      do throws(Failure) {
        return unsafe try body(memory.handle)
      } catch {
        throw unsafe ZincError(operation, memory.handle.pointee.nameForMessages, error)
      }
    }

    static var closed: Failure { Failure(EINVAL, "the region is closed") }

    /// Did a wait end well, or at its deadline?
    static func done(_ result: Int32) throws(Failure) -> Bool {
      if result >= 0 { return true }
      if result == Notification.WaitResult.timedOut.rawValue { return false }
      throw closed
    }
  }
#endif
