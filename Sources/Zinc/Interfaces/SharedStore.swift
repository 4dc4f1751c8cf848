// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc

  /// Keeps objects by key, for all processes of this machine, without a server.
  ///
  ///     let store = try SharedStore.openOrCreate("features", capacity: 1 << 30)
  ///     try store.put("user 7", vector.span)
  ///
  /// and in another process
  ///
  ///     let store = try SharedStore.open("features")
  ///     if let vector = try store.get("user 7") { use(vector) }
  ///
  /// An object goes when its key is removed, replaced or evicted, and with the store: who has it open
  /// keeps it, and its bytes stay as they are. A store goes with its last user, as a region does, unless
  /// it is persistent. Whoever is killed at whatever, the store is right for the others, within 20 ms.
  ///
  /// Any number of threads may use this value at once, and of the processes that have the store open at
  /// once, 120. A forked child goes on with it as its own. A key has at most 176 bytes in UTF-8. Who
  /// finds that a stopped process holds the store up for five seconds gets `busy`.
  @safe public struct SharedStore: ~Copyable, Sendable {
    private let region: SharedRegion

    /// What is done with an object that finds no room.
    public enum Full: UInt32, Sendable {
      /// Those make way that nobody has used for longest, has open, or has pinned.
      case evict = 0
      /// Whoever makes it waits until others have removed some.
      case wait = 1
      /// It is `noSpace`.
      case error = 2

      fileprivate var policy: StoreTable.Policy { StoreTable.Policy(rawValue: rawValue)! }
    }

    private init(_ region: consuming SharedRegion) { self.region = region }

    /// Creates a store whose objects may take `capacity` bytes, their headers and whole pages among
    /// them. Its name has at most 233 characters; `mode` and `group` are its objects', too. The rest
    /// as for `SharedRegion.create`.
    ///
    /// - Throws: `ZincError`: those of `SharedRegion.create`.
    public static func create(
      _ name: String, capacity: Int, full: Full = .evict, mode: UInt32 = 0o600,
      group: UInt32? = nil, isPersistent: Bool = false
    ) throws(ZincError) -> SharedStore {
      let options = RegionOptions(
        mode: mode, group: group, isPersistent: isPersistent, reserve: true)
      return unsafe SharedStore(
        try SharedRegion.attach("create the store", name) { path throws(Failure) in
          unsafe try Store.create(
            path, capacity: UInt64(max(capacity, 0)), full.policy, opens: false, options)
        })
    }

    /// Attaches to the store of this name. Parameters as for `SharedRegion.open`.
    ///
    /// - Throws: `ZincError`: `notARegion` if the name is that of no store; the others of
    ///   `SharedRegion.open`.
    public static func open(
      _ name: String, anyUser: Bool = false, timeout: Duration? = .zero
    ) throws(ZincError) -> SharedStore {
      let region = try SharedRegion.open(name, anyUser: anyUser, timeout: timeout)
      _ = unsafe try region.with("open the store") { handle throws(Failure) in
        unsafe try StoreTable(of: handle)
      }
      return SharedStore(region)
    }

    /// Opens the store of this name, or creates it if there is none. Of several processes that do this
    /// at once one creates. Parameters as for `create` and `open`.
    ///
    /// - Throws: `ZincError`: `alreadyExists` if it exists with another `capacity` or `full`, or is no
    ///   store; the others of `create` and `open`.
    public static func openOrCreate(
      _ name: String, capacity: Int, full: Full = .evict, mode: UInt32 = 0o600,
      group: UInt32? = nil, isPersistent: Bool = false, anyUser: Bool = false
    ) throws(ZincError) -> SharedStore {
      var options = RegionOptions(
        mode: mode, group: group, isPersistent: isPersistent, reserve: true)
      if anyUser { options.flags.insert(.anyUser) }
      return unsafe SharedStore(
        try SharedRegion.attach("open or create the store", name) { path throws(Failure) in
          unsafe try Store.create(
            path, capacity: UInt64(max(capacity, 0)), full.policy, opens: true, options)
        })
    }

    /// What `body` makes of the handle and the bytes of a key; a failure gets the call and the name.
    private func with<Value: ~Copyable>(
      _ operation: StaticString, _ key: String,
      _ body: (Attachment.Handle, UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(ZincError) -> Value {
      let bytes = Array(key.utf8)
      return unsafe try region.with(operation) { handle throws(Failure) in
        try unsafe bytes.span.withUnsafeBytes { (bytes) throws(Failure) in
          unsafe try body(handle, bytes)
        }
      }
    }

    // MARK: - Putting

    /// Puts an object of these bytes, with one copy.
    ///
    /// - Parameters:
    ///   - key: what it is found by.
    ///   - bytes: at least one.
    ///   - metadata: what is kept beside the data, as for `SharedRegion.create`.
    ///   - kind: what the data is, likewise.
    ///   - replace: what has the key makes way; pinned, its successor is as well.
    ///   - timeout: how long to wait for room, where the store waits; nil waits for ever.
    /// - Throws: `ZincError`: `alreadyExists` if the key is there, unless `replace`; `noSpace` if
    ///   there is no room, in time; `noSeat` if 120 others use the store; those of
    ///   `SharedRegion.create`.
    public func put(
      _ key: String, _ bytes: RawSpan, metadata: [UInt8] = [], kind: UInt32 = 0,
      replace: Bool = false, timeout: Duration? = nil
    ) throws(ZincError) {
      var options = RegionOptions()
      options = unsafe bytes.withUnsafeBytes { unsafe options.beginning(with: $0) }
      let building = try begin(key, bytes.byteCount, metadata, kind, options, replace, timeout)
      try building.seal()
    }

    /// Puts an object of these elements, as they are in memory. Otherwise as `put` of bytes.
    public func put<Element: BitwiseCopyable>(
      _ key: String, _ elements: Span<Element>, metadata: [UInt8] = [], kind: UInt32 = 0,
      replace: Bool = false, timeout: Duration? = nil
    ) throws(ZincError) {
      try put(
        key, unsafe elements.bytes, metadata: metadata, kind: kind, replace: replace,
        timeout: timeout)
    }

    /// Makes an object of `capacity` zeroed bytes, to be filled in place, and then sealed. Parameters
    /// as for `put`.
    ///
    /// - Throws: `ZincError` as `put`.
    public func create(
      _ key: String, capacity: Int, metadata: [UInt8] = [], kind: UInt32 = 0, replace: Bool = false,
      timeout: Duration? = nil
    ) throws(ZincError) -> Building {
      try begin(key, capacity, metadata, kind, RegionOptions(), replace, timeout)
    }

    private func begin(
      _ key: String, _ capacity: Int, _ metadata: [UInt8], _ kind: UInt32, _ options: RegionOptions,
      _ replace: Bool, _ timeout: Duration?
    ) throws(ZincError) -> Building {
      let deadline = SharedRegion.deadline(timeout)
      let object = unsafe try with("put into", key) { (handle, key) throws(Failure) in
        try unsafe metadata.span.withUnsafeBytes { (kept) throws(Failure) in
          unsafe SharedRegion(
            try Store.begin(
              handle, key, capacity: capacity, replaces: replace, options.keeping(kept, kind), [],
              deadline: deadline))
        }
      }
      return Building(region.memory, object, replaces: replace)
    }

    /// An object that is being made: others find it once it is sealed, and if it is not until the end
    /// of its lifetime, it is gone.
    ///
    /// One thread at a time has it, any may. A forked child can't seal its parent's.
    @safe public struct Building: ~Copyable, Sendable {
      private let store: AttachmentMemory
      private let object: SharedRegion
      private let replaces: Bool
      private var isSealed = false

      fileprivate init(
        _ store: AttachmentMemory, _ object: consuming SharedRegion, replaces: Bool
      ) {
        self.store = store
        self.object = object
        self.replaces = replaces
      }

      deinit {
        if !isSealed { try? unsafe Store.abort(store.handle, object.attachment) }
      }

      /// Bytes that it has.
      public var capacity: Int { object.capacity }

      /// Calls `body` with its bytes, to write them. The buffer must not outlive the call.
      public mutating func withUnsafeMutableBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
      ) throws(Failure) -> Result {
        unsafe try object.withUnsafeMutableBytes(body)
      }

      /// Its bytes, to write them.
      public var mutableBytes: MutableRawSpan {
        @_lifetime(&self) mutating get {
          let buffer = unsafe UnsafeMutableRawBufferPointer(
            start: object.attachment.pointee.data, count: capacity)
          return unsafe _overrideLifetime(buffer.mutableBytes, mutating: &self)
        }
      }

      /// Puts it into the store.
      ///
      /// - Throws: `ZincError`: `alreadyExists` if somebody else has put one by its key meanwhile,
      ///   unless it was to be replaced; `invalidArgument` if the store's value has gone, or is a
      ///   parent's. It is gone then.
      public consuming func seal() throws(ZincError) {
        do throws(Failure) {
          unsafe try Store.seal(store.handle, object.attachment, replaces: replaces)
          isSealed = true
        } catch {
          throw unsafe ZincError("put into", store.handle.pointee.nameForMessages, error)
        }
      }
    }

    // MARK: - Getting

    /// The object of a key, to read it, as soon as it is there within `timeout`; nil waits for ever.
    ///
    /// - Returns: a region whose `isReadonly` is true; nil if the key was not there in time.
    /// - Throws: `ZincError`: `invalidArgument` for a key that is too long; `noSeat`; those of
    ///   `SharedRegion.open`.
    public func get(_ key: String, timeout: Duration? = .zero) throws(ZincError) -> SharedRegion? {
      let deadline = SharedRegion.deadline(timeout)
      return try ifThere { () throws(ZincError) in
        unsafe try with("get from", key) { (handle, key) throws(Failure) in
          unsafe SharedRegion(try Store.get(handle, key, [], deadline: deadline))
        }
      }
    }

    /// Nil if the key is not there.
    private func ifThere<Value: ~Copyable>(_ body: () throws(ZincError) -> Value)
      throws(ZincError) -> Value?
    {
      do throws(ZincError) {
        return try body()
      } catch {
        if error.code == .notFound { return nil }
        throw error
      }
    }

    /// Is the key there? It is not used by that.
    ///
    /// - Throws: `ZincError` as `get`.
    public func contains(_ key: String) throws(ZincError) -> Bool { try find(key) != nil }

    // MARK: - Making room

    /// Takes the key from its object; who has that open keeps it. False if it had none.
    ///
    /// - Throws: `ZincError` as `get`.
    @discardableResult
    public func remove(_ key: String) throws(ZincError) -> Bool {
      try ifThere { () throws(ZincError) in
        unsafe try with("remove from", key) { (handle, key) throws(Failure) in
          unsafe try Store.remove(handle, key)
        }
      } != nil
    }

    /// The object of a key, to read it, which loses the key: of several who do so at once one has it.
    ///
    /// - Returns: a region whose `isReadonly` is true; nil if the key is not there.
    /// - Throws: `ZincError` as `get`.
    public func take(_ key: String) throws(ZincError) -> SharedRegion? {
      try ifThere { () throws(ZincError) in
        unsafe try with("take from", key) { (handle, key) throws(Failure) in
          unsafe SharedRegion(try Store.take(handle, key))
        }
      }
    }

    /// Keeps the object of a key, and those that replace it, from being evicted, or does not any more.
    ///
    /// - Throws: `ZincError`: `notFound` if the key is not there; those of `get`.
    public func pin(_ key: String, _ isPinned: Bool = true) throws(ZincError) {
      unsafe try with("pin in", key) { (handle, key) throws(Failure) in
        unsafe try Store.pin(handle, key, isPinned)
      }
    }

    /// Frees at least so many bytes, if it can: of what was used longest ago first, but nothing that
    /// somebody has open, or has pinned.
    ///
    /// - Returns: how many.
    /// - Throws: `ZincError` as `get`.
    @discardableResult
    public func evict(_ bytes: Int) throws(ZincError) -> Int {
      unsafe try region.with("evict from") { handle throws(Failure) in
        Int(clamping: unsafe try Store.evict(handle, UInt64(max(bytes, 0))))
      }
    }

    // MARK: - What it has

    /// An object of a store.
    public struct Entry: Sendable {
      /// How it is.
      public enum State: UInt32, Sendable {
        /// It is being made.
        case building = 1
        /// It is in the store.
        case present = 2
        /// It has lost its key, and its memory goes with its last user.
        case leaving = 3
      }

      public let key: String
      /// Bytes of data.
      public let capacity: Int
      /// Bytes that it takes of the store's capacity.
      public let memory: Int
      /// When it was sealed: nanoseconds since 1970; 0 before.
      public let createdAt: UInt64
      public let state: State
      /// What the data is, as `put` was told.
      public let kind: UInt32
      public let isPinned: Bool

      fileprivate init?(_ table: StoreTable, _ entry: Int) {
        guard let state = State(rawValue: table.state(entry).rawValue) else { return nil }
        self.state = state
        key = unsafe String(decoding: table.key(entry), as: UTF8.self)
        capacity = Int(clamping: table.length(entry))
        memory = Int(clamping: table.size(entry))
        createdAt = table.createdAt(entry)
        kind = table.kind(entry)
        isPinned = table.flags(entry).contains(.pinned)
      }
    }

    /// What can be told of the object of a key, without using it; nil if there is none.
    ///
    /// - Throws: `ZincError` as `get`.
    public func find(_ key: String) throws(ZincError) -> Entry? {
      try ifThere { () throws(ZincError) in
        unsafe try with("look at", key) { (handle, key) throws(Failure) in
          var found: Entry?
          unsafe try Store.find(handle, key) { found = Entry($0, $1) }
          return found
        }
      } ?? nil
    }

    /// All objects at one moment: what was used longest ago first, then what is being made, and what
    /// has left and has memory still.
    ///
    /// - Throws: `ZincError` as `get`.
    public func list() throws(ZincError) -> [Entry] {
      unsafe try region.with("list") { handle throws(Failure) in
        var all: [Entry] = []
        unsafe try Store.visit(handle) { table, entry in
          if let found = Entry(table, entry) { all.append(found) }
        }
        return all
      }
    }

    /// What a store looks like.
    public struct Info: Sendable {
      /// Bytes that its objects may take.
      public let capacity: Int
      /// Of these, by objects in any state.
      public let used: Int
      /// So many are in the store.
      public let objects: Int
      public let full: Full
      /// So many events have happened.
      public let events: UInt64
      public let puts: UInt64
      /// Uses of `get` that found the key.
      public let hits: UInt64
      /// Uses of `get` that did not find it at once.
      public let misses: UInt64
      public let evictions: UInt64
      public let removals: UInt64

      fileprivate init(_ table: StoreTable) {
        capacity = Int(clamping: table.capacity)
        used = Int(clamping: table.used)
        objects = table.count
        full = Full(rawValue: table.policy.rawValue) ?? .error
        events = table.events
        puts = table[.puts]
        hits = table[.hits]
        misses = table[.misses]
        evictions = table[.evictions]
        removals = table[.removals]
      }
    }

    /// What can be told of it.
    ///
    /// - Throws: `ZincError` as `get`.
    public var info: Info {
      get throws(ZincError) {
        unsafe try region.with("look at") { handle throws(Failure) in
          var info: Info?
          unsafe try Store.look(handle) { info = Info($0) }
          return info!
        }
      }
    }

    /// What has happened to an object.
    public struct Event: Sendable {
      public enum Change: UInt32, Sendable {
        /// It is there, or another one in its place.
        case put = 1
        case removed = 2
        case evicted = 3
      }

      public let change: Change
      public let key: String
      /// Bytes of data.
      public let capacity: Int
      /// Nanoseconds since 1970.
      public let time: UInt64
    }

    /// What has happened from one event on.
    public struct Events: Sendable {
      public let events: [Event]
      /// The number of the one to ask for next.
      public let next: UInt64
      /// How many of those that were asked for are not kept any more.
      public let lost: Int
    }

    /// What has happened from the event of this number on: the last 512 are kept. `info` has the
    /// number of the next one to happen; `wait(timeout:)` tells when there are more.
    ///
    /// - Throws: `ZincError` as `get`.
    public func events(since number: UInt64) throws(ZincError) -> Events {
      unsafe try region.with("look at the events of") { handle throws(Failure) in
        var (next, events) = (number, [Event]())
        let lost = unsafe try Store.events(handle, &next, limit: StoreTable.eventCount) { event in
          guard let change = Event.Change(rawValue: event.change) else { return }
          let key = unsafe String(decoding: event.key, as: UTF8.self)
          events.append(
            Event(
              change: change, key: key, capacity: Int(clamping: event.length), time: event.time))
        }
        return Events(events: events, next: next, lost: Int(clamping: lost))
      }
    }

    /// Waits until something has happened that this value has not waited for yet, as
    /// `SharedRegion.wait(timeout:)`.
    @discardableResult
    public func wait(timeout: Duration? = nil) -> Bool { region.wait(timeout: timeout) }

    // MARK: - What it is

    /// The name that it was created under.
    public var name: String { region.name }

    /// The call that this value is from created the store.
    public var isCreated: Bool { region.isCreated }

    /// Does the name still lead to this store? One system call.
    public var isLinked: Bool { region.isLinked }

    /// Removes its name, and its objects, but those that somebody has open.
    ///
    /// - Throws: `ZincError`: `notFound` if the name leads elsewhere by now, or there is none.
    public func unlink() throws(ZincError) { try region.unlink() }
  }
#endif
