internal import CZinc
internal import Synchronization

// A store: objects by key, each in a region of its own (see `RegionName.isGone`), and a table of them
// in the store's region, under that one's own lock. Only the table's changes happen under the lock;
// files are made, opened and freed outside, by whoever may be killed at any time:
//
//     put                                         remove, evict
//     s1  lock: reserve an entry and the bytes    s5  lock: present -> leaving
//     s2  make the region, one as any, and        s6  the object is none of the store's any more:
//         fill it                                     owner -> 0
//     s3  lock: the object is the store's:        s7  nobody has it: whoever finds that removes it
//         owner -> id                             s8  no name: lock: leaving -> free
//     s4  building -> present, and only then
//         what had the key -> leaving
//
//     get
//     g1  lock: find the entry      g2  open the region; it is not there: g1 again
//
// Who waits for what s4 and s5 change is told before, under the lock (t1), and looks once it is free:
// whoever is killed in between leaves it to them to repair. Told after it, they might never be.
//
// So each object that has memory has an entry that is not free, and `used` is never too small. An
// entry that is building belongs to a seat: its sitter dead, it is leaving. s6 to s8 is anybody's to
// do and to do again: who has been killed at it, and who has the object for longer, leaves the entry
// to those who come next and want room, or have a look.
//
// Who ends the store, or finds it dead, removes its region before its objects: from then on they are
// nobody's, and what is being made belongs to an id that never comes back.
//
// tests/model/store.pml searches this with kills.
enum Store {
  typealias Handle = Attachment.Handle

  // MARK: Stores

  /// Creates a store, or opens it where there is one, if `opens`.
  static func create(
    _ path: borrowing RegionPath, capacity: UInt64, _ policy: StoreTable.Policy, opens: Bool,
    _ options: RegionOptions
  ) throws(Failure) -> Handle {
    let longest = RegionPath.longestName - RegionPath.objectLength
    guard unsafe strlen(path.name) <= longest else {
      throw Failure(EINVAL, "the name of a store has at most % characters", UInt64(longest))
    }
    guard capacity > 0, capacity <= UInt64(Int64.max) else {
      throw Failure(EINVAL, "the capacity of a store must be 1 to 2^63 - 1 bytes")
    }
    let memory = unsafe try allocate(UInt(StoreTable.beginning))
    defer { unsafe czinc_free(memory) }
    unsafe memset(memory, 0, StoreTable.beginning)
    unsafe StoreTable.begin(memory, capacity: capacity, policy)
    var how = options
    how.kind = Header.storeKind
    how.flags.insert(.sparse)
    how = unsafe how.beginning(
      with: UnsafeRawBufferPointer(start: memory, count: StoreTable.beginning))
    guard opens else { return unsafe try Attachment.create(path, capacity: StoreTable.size, how) }
    let handle: Handle
    do throws(Failure) {
      unsafe handle = unsafe try Attachment.openOrCreate(path, capacity: StoreTable.size, how)
    } catch  where error.code == EEXIST {
      throw Failure(EEXIST, "the name is taken by something else than a store")
    }
    do throws(Failure) {
      let table = unsafe try StoreTable(of: handle)
      guard table.capacity == capacity, table.policy == policy else {
        throw Failure(
          EEXIST,
          "it exists with a capacity of % bytes, and % were asked for, or its full is another",
          table.capacity, capacity)
      }
      return unsafe handle
    } catch {
      unsafe Attachment.close(handle)
      throw error.code == EBADMSG
        ? Failure(EEXIST, "the name is taken by something else than a store") : error
    }
  }

  /// Attaches to a store. EBADMSG if the region is none.
  static func open(_ path: borrowing RegionPath, _ options: RegionOptions) throws(Failure) -> Handle
  {
    let handle = unsafe try Attachment.open(path, options)
    do throws(Failure) {
      _ = unsafe try StoreTable(of: handle)
      return unsafe handle
    } catch {
      unsafe Attachment.close(handle)
      throw error
    }
  }

  /// Calls `body` with the table, which nobody else changes meanwhile. Whoever has it is done in no
  /// time, unless it is stopped: EBUSY after `deadline`, and not before it has had it for long.
  private static func locked<Value>(
    _ handle: Handle, _ how: Notification.WaitOptions = [], deadline: UInt64 = 0,
    _ body: (StoreTable) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let (table, lock) = unsafe try lockTable(handle, how, deadline)
    defer { _ = lock.tryRelease() }
    return try body(table)
  }

  // Apart from `locked`, of which there is one for each kind of result.
  @inline(never)
  private static func lockTable(
    _ handle: Handle, _ how: Notification.WaitOptions, _ deadline: UInt64
  ) throws(Failure) -> (StoreTable, Lock) {
    let table = unsafe try StoreTable(of: handle)
    guard unsafe !handle.pointee.isReadonly else {
      throw Failure(
        EACCES, "a store has to be open for writing, to read too: who reads says so there")
    }
    let lock = unsafe Lock(handle)
    if !lock.tryAcquire() { unsafe try acquire(lock, handle, table, how, deadline) }
    return (table, lock)
  }

  private static let longestHold: UInt64 = 5_000_000_000

  @inline(never)
  private static func acquire(
    _ lock: Lock, _ handle: Handle, _ table: StoreTable, _ how: Notification.WaitOptions,
    _ deadline: UInt64
  ) throws(Failure) {
    let deadline = max(deadline, czinc_monotonic() + longestHold)
    switch try lock.acquire(how, recovers: true, deadline: deadline) {
    case .acquired: break
    case .ownerDied:
      do throws(Failure) {
        unsafe try table.repair(statusOfFile(handle).memory)
        try lock.repaired()
      } catch {
        try? lock.abandon()
        throw error
      }
    case .timedOut:
      throw Failure(
        EBUSY, "process % has its table, and does not go on; is it stopped?",
        UInt64(max(lock.record.pid, 0)))
    case .closed: throw closed
    case .interrupted: throw interrupted
    }
  }

  private static var closed: Failure { Failure(ECANCELED, "the store was closed meanwhile") }
  private static var interrupted: Failure { Failure(EINTR, "interrupted") }

  /// Calls `body`, which waits for others: who closes the handle ends that, and waits for it.
  private static func asWait<Value>(_ handle: Handle, _ body: () throws(Failure) -> Value)
    throws(Failure) -> Value
  {
    guard unsafe handle.pointee.notification.waits.count() else { throw closed }
    defer { unsafe handle.pointee.notification.waits.uncount() }
    return try body()
  }

  /// An entry as it was when somebody looked: the number says whether it still is.
  private struct Place {
    let entry: Int
    let number: UInt64
    var flags: StoreTable.Flags = []

    init(_ table: StoreTable, _ entry: Int) {
      self.entry = entry
      number = table.number(entry)
      flags = table.flags(entry)
    }

    func isStill(_ state: StoreTable.State, _ table: StoreTable) -> Bool {
      table.number(entry) == number && table.state(entry) == state
    }
  }

  /// That of an object.
  static func path(_ handle: Handle, _ number: UInt64) throws(Failure) -> RegionPath {
    switch unsafe handle.pointee.path {
    case .some(let path): return try path.object(number)
    case .none: throw Failure(EINVAL, "the store is closed, or has no name")
    }
  }

  private static func check(_ key: UnsafeRawBufferPointer) throws(Failure) {
    guard key.count <= StoreTable.longestKey else {
      throw Failure(
        EINVAL, "the key has % bytes, and may have %", UInt64(key.count),
        UInt64(StoreTable.longestKey))
    }
  }

  // MARK: Put

  /// Makes room and a region of `capacity` bytes for an object, which is in the store once it is
  /// sealed. EEXIST if the key is there and `replaces` is not; ENOSPC if there is no room, after
  /// `deadline` where the store waits for it.
  static func begin(
    _ handle: Handle, _ key: UnsafeRawBufferPointer, capacity: Int, replaces: Bool,
    _ options: RegionOptions, _ how: Notification.WaitOptions, deadline: UInt64
  ) throws(Failure) -> Handle {
    unsafe try check(key)
    guard options.flags.isDisjoint(with: [.persistent, .transient, .replace, .group]) else {
      throw Failure(EINVAL, "an object lasts as long, and is for whom, its store does and is")
    }
    return unsafe try asWait(handle) { () throws(Failure) in
      let number = unsafe try reserve(
        handle, key, capacity: capacity, replaces: replaces, options, how, deadline: deadline)
      do throws(Failure) {
        var options = options
        let status = unsafe try statusOfFile(handle)
        options.mode = status.mode & 0o777
        if options.mode & 0o070 != 0 {
          options.group = status.group
          options.flags.insert(.group)
        }
        let name = unsafe try path(handle, number)
        while true {
          do throws(Failure) {
            return unsafe try Attachment.create(name, capacity: capacity, options)  // s2
          } catch  where error.code == ENOSPC {
            // The memory of the machine is used up before that of the store.
            guard unsafe try StoreTable(of: handle).policy == .evict,
              unsafe try evict(handle, UInt64(capacity)) != 0
            else { throw error }
          }
        }
      } catch {
        unsafe giveUp(handle, number)
        throw error
      }
    }
  }

  /// Reserves an entry and the bytes, as soon as there is room: its number.
  private static func reserve(
    _ handle: Handle, _ key: UnsafeRawBufferPointer, capacity: Int, replaces: Bool,
    _ options: RegionOptions, _ how: Notification.WaitOptions, deadline: UInt64
  ) throws(Failure) -> UInt64 {
    let file = try RegionFile(capacity: capacity, options)
    let size = UInt64(Mapping.wholePages(file.size))
    let number = file.id  // as random as any
    let me = unsafe try Attachment.sit(handle)
    unsafe try settle(handle, limit: 2)
    var how = how
    while true {
      let seen = unsafe handle.pointee.notification.sequence
      let isReserved = try unsafe locked(handle, how, deadline: deadline) {
        (table) throws(Failure) in
        if !replaces, unsafe try table.find(key, StoreTable.hash(key)) != nil { throw exists }
        guard size <= table.capacity else {
          throw Failure(
            ENOSPC, "the object takes % bytes, and the store may have %", size, table.capacity)
        }
        guard table.hasRoom(size) else { return false }
        while unsafe try table.reserve(
          key, number: number, size: size, length: UInt64(capacity), kind: options.kind,
          builder: me) == nil
        {
          unsafe try grow(handle, table)
        }
        return true
      }
      if isReserved { return number }
      if unsafe try makeRoom(handle, size) { continue }
      let now = czinc_monotonic()
      let waits = unsafe try StoreTable(of: handle).policy == .wait
      guard waits && now < deadline else { throw unsafe try isFull(handle, size) }
      // Who closes what they had tells nobody.
      let nap = min(deadline, now + Attachment.longestNap)
      switch unsafe handle.pointee.notification.wait(past: seen, how, deadline: nap) {
      case .interrupted: throw interrupted
      case .closed: throw closed
      case .notified, .timedOut: break
      }
      how.insert(.sleep)
    }
  }

  /// Gets the memory of some more entries.
  private static func grow(_ handle: Handle, _ table: StoreTable) throws(Failure) {
    let (offset, count) = try table.nextGrowth()
    let start = unsafe handle.pointee.file.dataOffset + offset
    try Descriptor.reserve(
      unsafe handle.pointee.heldDescriptor(), from: start, to: start + count)
    try table.grow()
  }

  private static func statusOfFile(_ handle: Handle) throws(Failure) -> czinc_status {
    var status = czinc_status()
    try Zinc.check(unsafe czinc_fstat(handle.pointee.heldDescriptor(), &status), "fstat")
    return status
  }

  private static var exists: Failure {
    Failure(EEXIST, "the key is there already; replace it, or take another")
  }

  private static func isFull(_ handle: Handle, _ size: UInt64) throws(Failure) -> Failure {
    let table = unsafe try StoreTable(of: handle)
    return Failure(
      ENOSPC,
      "no room: the object takes %, and % of % bytes are in use; remove some, or close what has them",
      size, table.used, table.capacity)
  }

  /// Puts an object into the store that was begun with this handle of its region.
  static func seal(_ handle: Handle, _ object: Handle, replaces: Bool) throws(Failure) {
    let number = unsafe try number(of: object, handle)
    guard unsafe object.pointee.notification.canNotify else { throw notOurs }
    let me = unsafe try Attachment.sit(handle)
    let replaced = try unsafe locked(handle) { (table) throws(Failure) -> Place? in
      guard let entry = try building(table, number), table.builder(entry) == me else {
        throw Failure(EINVAL, "it was not begun by this handle of the store, or is sealed already")
      }
      if !replaces,
        unsafe try table.find(table.key(entry), StoreTable.hash(table.key(entry))) != nil
      {
        throw exists
      }
      // The maker's own until now, it goes with who is killed.
      unsafe object.pointee.header.owner.pointee.store(  // s3
        handle.pointee.file.id, ordering: .sequentiallyConsistent)
      _ = unsafe handle.pointee.notification.notify()  // t1
      let replaced = try table.publish(entry)
      table.add(.puts)
      return replaced.map { Place(table, $0) }
    }
    if let replaced { _ = unsafe free(handle, replaced) }
  }

  /// Gives up what was begun; the handle of its region is the caller's to close.
  static func abort(_ handle: Handle, _ object: Handle) throws(Failure) {
    unsafe giveUp(handle, try number(of: object, handle))
  }

  private static func number(of object: Handle, _ handle: Handle) throws(Failure) -> UInt64 {
    if unsafe handle.pointee.isAnonymous || object.pointee.isAnonymous { throw notOurs }
    let (own, other) = unsafe (handle.pointee.name, object.pointee.name)
    let length = unsafe strlen(own)
    guard unsafe strncmp(other, own, length) == 0, unsafe strlen(other + length) == 17 else {
      throw notOurs
    }
    var number: UInt64 = 0
    for i in 0..<16 {
      let digit = unsafe UInt8(bitPattern: other[length + 1 + i])
      number = number << 4 | UInt64(digit <= UInt8(ascii: "9") ? digit & 15 : digit & 15 + 9)
    }
    return number
  }

  private static var notOurs: Failure {
    Failure(EINVAL, "the region is no object of this store")
  }

  private static func building(_ table: StoreTable, _ number: UInt64) throws(Failure) -> Int? {
    var found: Int?
    try table.visit(.building) { (entry) throws(Failure) in
      if table.number(entry) == number { found = entry }
      return found != nil
    }
    return found
  }

  /// If this handle has begun it, and not a parent's.
  private static func giveUp(_ handle: Handle, _ number: UInt64) {
    let place = try? unsafe locked(handle) { (table) throws(Failure) -> Place? in
      guard let entry = try building(table, number),
        unsafe table.builder(entry) == Attachment.identity(handle)
      else { return nil }
      try table.leave(entry, nil)
      return Place(table, entry)
    }
    if let place { _ = unsafe free(handle, place) }
  }

  // MARK: Room

  /// Takes an object that has left from the store, and the entry if that frees its memory: did it?
  private static func free(_ handle: Handle, _ place: Place) -> Bool {
    guard let path = try? unsafe path(handle, place.number) else { return false }
    let found =
      try? place.flags.contains(.disowned)
      ? RegionName.tryReclaim(path) : RegionName.disown(path)  // s6, s7
    let isGone =
      switch found {
      case .nothing?, .removed?: true
      case .living?, .dead?, .busy?, nil: false
      }
    let isFreed = try? unsafe locked(handle) { (table) throws(Failure) -> Bool in
      guard place.isStill(.leaving, table) else { return isGone }
      if isGone {
        try table.end(place.entry)  // s8
      } else {
        if found != nil {
          table.set(place.entry, table.flags(place.entry).union(.disowned))
        }
        try table.postpone(place.entry)
      }
      return isGone
    }
    if isFreed == true { _ = unsafe handle.pointee.notification.notify() }
    return isFreed == true
  }

  private static let mostAtOnce = 256

  /// Calls `body` with memory for so many.
  private static func withPlaces<Value>(
    _ count: Int, _ body: (UnsafeMutablePointer<Place>) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let memory = unsafe try allocate(UInt(count * MemoryLayout<Place>.stride))
    defer { unsafe czinc_free(memory) }
    return unsafe try body(memory.assumingMemoryBound(to: Place.self))
  }

  /// Frees what has left the store, and what the dead were at, of the first so many: did it free
  /// something? What stays comes last the next time.
  @discardableResult
  private static func settle(_ handle: Handle, limit: Int = mostAtOnce) throws(Failure) -> Bool {
    unsafe try withPlaces(limit) { (places) throws(Failure) in
      var count = 0
      try unsafe locked(handle) { (table) throws(Failure) in
        var looks = 0
        try table.visit(.building) { (entry) throws(Failure) in
          if case .over = unsafe try Attachment.fate(of: table.builder(entry), handle) {
            try table.leave(entry, nil)
          }
          looks += 1
          return looks == limit && limit < mostAtOnce
        }
        try table.visit(.leaving) { (entry) throws(Failure) in
          unsafe places[count] = Place(table, entry)
          count += 1
          return count == limit
        }
      }
      var isFreed = false
      for i in 0..<count where unsafe free(handle, places[i]) { isFreed = true }
      return isFreed
    }
  }

  /// Frees some of what is to be freed: is it worth another look whether there is room?
  private static func makeRoom(_ handle: Handle, _ size: UInt64) throws(Failure) -> Bool {
    var looks = 0
    try unsafe locked(handle) { (table) throws(Failure) in
      try table.visit(.leaving) { (_) throws(Failure) in
        looks += 1
        return false
      }
    }
    repeat {
      if unsafe try settle(handle) { return true }
      looks -= mostAtOnce
    } while looks > 0
    let table = unsafe try StoreTable(of: handle)
    if table.hasRoom(size) { return true }  // Others have made some.
    guard table.policy == .evict else { return false }
    let (free, isMore) = table.capacity.subtractingReportingOverflow(table.used)
    return unsafe try evict(handle, isMore ? size : size - min(size, free)) != 0
  }

  /// Evicts what was used longest ago, and is not pinned, and what nobody has at that: of the others
  /// the memory would stay. How many bytes that freed, at least `size` where there are so many.
  static func evict(_ handle: Handle, _ size: UInt64) throws(Failure) -> UInt64 {
    unsafe try withPlaces(mostAtOnce) { (places) throws(Failure) in
      var freed: UInt64 = 0
      var looks = unsafe try StoreTable(of: handle).count
      var atOnce = 4
      while freed < size && looks > 0 {
        var count = 0
        try unsafe locked(handle) { (table) throws(Failure) in
          try table.visit(.present) { (entry) throws(Failure) in
            if table.flags(entry).contains(.pinned) { return false }
            unsafe places[count] = Place(table, entry)
            count += 1
            return count == min(atOnce, looks)
          }
        }
        for i in 0..<count where freed < size {
          freed = freed.addingReportingOverflow(unsafe try evict(handle, places[i])).partialValue
        }
        looks = count < atOnce ? 0 : looks - count
        atOnce = min(2 * atOnce, mostAtOnce)
      }
      return freed
    }
  }

  /// How many bytes it freed, 0 if somebody has it.
  private static func evict(_ handle: Handle, _ found: Place) throws(Failure) -> UInt64 {
    var isInUse = true  // What others have damaged as well.
    do throws(Failure) {
      isInUse = try RegionName.isInUse(
        unsafe path(handle, found.number), by: unsafe handle.pointee.file.id)
    } catch  where error.code == EBADMSG {}
    var size: UInt64 = 0
    let isEvicted = try unsafe locked(handle) { (table) throws(Failure) -> Bool in
      guard found.isStill(.present, table), !table.flags(found.entry).contains(.pinned) else {
        return false
      }
      if isInUse {
        try table.use(found.entry)
        return false
      }
      size = table.size(found.entry)
      _ = unsafe handle.pointee.notification.notify()  // t1
      try table.leave(found.entry, .evicted)
      table.add(.evictions)
      return true
    }
    guard isEvicted else { return 0 }
    return unsafe free(handle, found) ? size : 0
  }

  // MARK: Get

  /// Attaches to what has the key, as soon as something has, to read it. ENOENT if nothing had until
  /// `deadline`.
  static func get(
    _ handle: Handle, _ key: UnsafeRawBufferPointer, _ how: Notification.WaitOptions,
    deadline: UInt64
  ) throws(Failure) -> Handle {
    unsafe try check(key)
    return unsafe try asWait(handle) { () throws(Failure) in
      let hash = unsafe StoreTable.hash(key)
      var (isHit, isMiss) = (false, false)
      while true {
        let seen = unsafe handle.pointee.notification.sequence
        let place = try unsafe locked(handle, how, deadline: deadline) {
          (table) throws(Failure) -> Place? in
          guard let found = unsafe try table.find(key, hash) else {
            if !isHit && !isMiss { table.add(.misses) }
            isMiss = true
            return nil
          }
          try table.use(found)
          if !isHit { table.add(.hits) }
          isHit = true
          return Place(table, found)
        }
        if let place {
          do throws(Failure) {
            var opening = RegionOptions()
            opening.flags = [.readonly, .anyUser]
            return unsafe try Attachment.open(path(handle, place.number), opening)
          } catch {
            guard error.code == ENOENT else { throw error }
          }
          // It has been replaced or evicted meanwhile; or somebody has removed the region by its name.
          try unsafe locked(handle, how, deadline: deadline) { (table) throws(Failure) in
            guard place.isStill(.present, table) else { return }
            _ = unsafe handle.pointee.notification.notify()  // t1
            try table.leave(place.entry, .removed)
          }
          continue
        }
        switch unsafe handle.pointee.notification.wait(past: seen, how, deadline: deadline) {
        case .notified: continue
        case .timedOut: throw notFound
        case .interrupted: throw interrupted
        case .closed: throw closed
        }
      }
    }
  }

  private static var notFound: Failure { Failure(ENOENT, "the key is not there") }

  /// Takes the key from what has it; who has the object keeps it. ENOENT if nothing has.
  static func remove(_ handle: Handle, _ key: UnsafeRawBufferPointer) throws(Failure) {
    unsafe try check(key)
    let place = try unsafe locked(handle) { (table) throws(Failure) -> Place in
      guard let found = unsafe try table.find(key, StoreTable.hash(key)) else { throw notFound }
      _ = unsafe handle.pointee.notification.notify()  // t1
      try table.leave(found, .removed)
      table.add(.removals)
      return Place(table, found)
    }
    _ = unsafe free(handle, place)
  }

  /// Attaches to what has the key, and takes the key from it: nobody else gets it so. ENOENT if nothing
  /// has.
  static func take(_ handle: Handle, _ key: UnsafeRawBufferPointer) throws(Failure) -> Handle {
    while true {
      let object = unsafe try get(handle, key, [], deadline: 0)
      do throws(Failure) {
        let number = unsafe try number(of: object, handle)
        let place = try unsafe locked(handle) { (table) throws(Failure) -> Place? in
          let found = unsafe try table.find(key, StoreTable.hash(key))
          guard let found, table.number(found) == number else { return nil }
          _ = unsafe handle.pointee.notification.notify()  // t1
          try table.leave(found, .removed)
          table.add(.removals)
          return Place(table, found)
        }
        if let place {
          _ = unsafe free(handle, place)
          return unsafe object
        }
      } catch {
        unsafe Attachment.close(object)
        throw error
      }
      unsafe Attachment.close(object)
    }
  }

  /// Says whether it may be evicted. ENOENT if nothing has the key.
  static func pin(_ handle: Handle, _ key: UnsafeRawBufferPointer, _ isPinned: Bool) throws(Failure)
  {
    unsafe try check(key)
    try unsafe locked(handle) { (table) throws(Failure) in
      guard let found = unsafe try table.find(key, StoreTable.hash(key)) else { throw notFound }
      let flags = table.flags(found)
      table.set(found, isPinned ? flags.union(.pinned) : flags.subtracting(.pinned))
    }
  }

  // MARK: Looks

  /// Tells of what has the key. ENOENT if nothing has.
  static func find(
    _ handle: Handle, _ key: UnsafeRawBufferPointer, _ tell: (StoreTable, Int) -> Void
  )
    throws(Failure)
  {
    unsafe try check(key)
    try unsafe locked(handle) { (table) throws(Failure) in
      guard let found = unsafe try table.find(key, StoreTable.hash(key)) else { throw notFound }
      tell(table, found)
    }
  }

  /// Tells of all that is in the store, or is being made, or has left it and has memory still.
  static func visit(_ handle: Handle, _ tell: (StoreTable, Int) -> Void) throws(Failure) {
    while unsafe try settle(handle) {}
    try unsafe locked(handle) { (table) throws(Failure) in
      for state in [StoreTable.State.present, .building, .leaving] {
        try table.visit(state) { (entry) throws(Failure) in
          tell(table, entry)
          return false
        }
      }
    }
  }

  /// Tells of itself.
  static func look(_ handle: Handle, _ tell: (StoreTable) -> Void) throws(Failure) {
    while unsafe try settle(handle) {}
    try unsafe locked(handle) { (table) throws(Failure) in tell(table) }
  }

  /// Tells of what has happened from the event `next` on, at most `limit`, and moves that on; how
  /// many are lost, since too much has happened.
  static func events(
    _ handle: Handle, _ next: inout UInt64, limit: Int, _ tell: (StoreTable.Event) -> Void
  )
    throws(Failure) -> UInt64
  {
    var lost: UInt64 = 0
    var position = next
    try unsafe locked(handle) { (table) throws(Failure) in
      let end = table.events
      let kept = UInt64(StoreTable.eventCount)
      let first = end > kept ? end - kept : 0
      if position < first {
        lost = first - position
        position = first
      }
      if position > end { position = end }
      let last = position + min(end - position, UInt64(limit))
      while position < last {
        tell(table.event(position))
        position += 1
      }
    }
    next = position
    return lost
  }
}
