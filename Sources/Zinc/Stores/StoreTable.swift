internal import CZinc
internal import Synchronization

/// What a store knows of its objects, in the data of its region: for who has the region's lock.
///
///     0    u64 capacity   bytes that the objects' files may have
///     8    u64 used       of these: of all entries that are not free
///     16   u64 stamp      counts uses
///     24   u64 events     so many have happened
///     32   u64 puts, hits, misses, evictions, removals
///     72   u32 policy     what is done where it is full
///     76   u32 grown      entries that have memory
///     80   u32 count      of what is in the store
///     84   u32 free       the first free entry
///     88   u32 x 2        first and last of those of each state, building, present and leaving;
///                         of the present the one first that was used longest ago
///     256  u32 buckets    the first entry of a hash
///     ...  events         the last ones, by their number
///     ...  entries
///
/// An entry's number is one more here, and 0 is none. Only its state, and what it says of its object,
/// matters: all else follows, and is made anew where somebody was killed at it (`repair`). What others
/// scribbled there leads to EBADMSG, never outside.
@safe struct StoreTable {
  enum State: UInt32 {
    case free = 0
    /// Its object is being made; not for others.
    case building = 1
    case present = 2
    /// It has lost its key, and goes once nobody has the object.
    case leaving = 3
  }

  /// What is done with what finds no room; the values are those of zinc.h.
  enum Policy: UInt32 {
    case evict = 0
    case wait = 1
    case error = 2
  }

  /// What happens; the values are those of zinc.h.
  enum Change: UInt32 {
    case put = 1
    case removed = 2
    case evicted = 3
  }

  enum Counter: Int {
    case puts = 32
    case hits = 40
    case misses = 48
    case evictions = 56
    case removals = 64
  }

  static let longestKey = 176
  private static let bucketCount = 1 << 15
  private static let bucketsOffset = 256
  static let eventCount = 512
  private static let eventSize = 256
  private static let eventsOffset = bucketsOffset + 4 * bucketCount
  private static let entrySize = 256
  private static let entriesOffset = eventsOffset + eventCount * eventSize
  private static let most = 1 << 20
  /// Entries that get their memory at once.
  private static let growth = 256
  /// Bytes that a store's region has.
  static let size = entriesOffset + most * entrySize
  /// Of them, what is written when it is made: the head, the buckets and the events.
  static let beginning = entriesOffset

  private let base: UnsafeMutableRawPointer

  /// EBADMSG if the region is no store.
  init(of handle: Attachment.Handle) throws(Failure) {
    let (kind, size) = unsafe (handle.pointee.file.kind, handle.pointee.capacity)
    let isStore = kind == Header.storeKind && size == StoreTable.size
    guard isStore else {
      throw Failure(EBADMSG, "not a store: its kind is %", UInt64(kind))
    }
    unsafe base = unsafe handle.pointee.data
  }

  /// What is to be written there at first.
  static func begin(_ memory: UnsafeMutableRawPointer, capacity: UInt64, _ policy: Policy) {
    unsafe memory.storeBytes(of: capacity, as: UInt64.self)
    unsafe memory.storeBytes(of: policy.rawValue, toByteOffset: 72, as: UInt32.self)
  }

  // MARK: Words, read once each

  private func word(_ offset: Int) -> UInt32 {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self).pointee
      .load(ordering: .relaxed)
  }

  private func set(_ offset: Int, _ value: UInt32) {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self).pointee
      .store(value, ordering: .releasing)
  }

  private func long(_ offset: Int) -> UInt64 {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee
      .load(ordering: .relaxed)
  }

  private func set(_ offset: Int, _ value: UInt64) {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee
      .store(value, ordering: .relaxed)
  }

  var capacity: UInt64 { long(0) }
  private(set) var used: UInt64 {
    get { long(8) }
    nonmutating set { set(8, newValue) }
  }
  private var stamp: UInt64 {
    get { long(16) }
    nonmutating set { set(16, newValue) }
  }
  private(set) var events: UInt64 {
    get { long(24) }
    nonmutating set { set(24, newValue) }
  }
  var policy: Policy { Policy(rawValue: word(72)) ?? .error }
  private var grown: Int {
    get { min(Int(word(76)), StoreTable.most) }
    nonmutating set { set(76, UInt32(newValue)) }
  }
  private(set) var count: Int {
    get { min(Int(word(80)), StoreTable.most) }
    nonmutating set { set(80, UInt32(truncatingIfNeeded: newValue)) }
  }

  subscript(_ counter: Counter) -> UInt64 { long(counter.rawValue) }
  func add(_ counter: Counter) { set(counter.rawValue, self[counter] &+ 1) }

  private var damaged: Failure {
    Failure(EBADMSG, "damaged: somebody wrote where its table is")
  }

  /// The entry that the word leads to.
  private func link(_ offset: Int) throws(Failure) -> Int? {
    let number = Int(word(offset))
    if number == 0 { return nil }
    guard number <= grown else { throw damaged }
    return number - 1
  }

  private func set(_ offset: Int, to entry: Int?) { set(offset, entry.map { UInt32($0 + 1) } ?? 0) }

  // MARK: Entries

  private enum Field: Int {
    case state = 0
    case inBucket = 4
    case before = 8
    case behind = 12
    case hash = 16
    case number = 24
    case size = 32
    case stamp = 40
    case createdAt = 48
    case builder = 56
    case flags = 60
    case keyLength = 64
    case kind = 68
    case length = 72
    case key = 80
  }

  private func place(_ entry: Int, _ field: Field) -> Int {
    StoreTable.entriesOffset + entry * StoreTable.entrySize + field.rawValue
  }

  struct Flags: OptionSet {
    let rawValue: UInt32
    static let pinned = Flags(rawValue: 1)
    /// Its object is none of the store's any more, and only its users keep it.
    static let disowned = Flags(rawValue: 2)
  }

  func state(_ entry: Int) -> State { State(rawValue: word(place(entry, .state))) ?? .free }
  /// Tells an object from others that had this entry; its region is called after it.
  func number(_ entry: Int) -> UInt64 { long(place(entry, .number)) }
  func size(_ entry: Int) -> UInt64 { long(place(entry, .size)) }
  func length(_ entry: Int) -> UInt64 { long(place(entry, .length)) }
  func kind(_ entry: Int) -> UInt32 { word(place(entry, .kind)) }
  func createdAt(_ entry: Int) -> UInt64 { long(place(entry, .createdAt)) }
  func builder(_ entry: Int) -> SeatIdentity { SeatIdentity(bits: word(place(entry, .builder))) }
  func flags(_ entry: Int) -> Flags { Flags(rawValue: word(place(entry, .flags))) }
  func set(_ entry: Int, _ flags: Flags) { set(place(entry, .flags), flags.rawValue) }
  func key(_ entry: Int) -> UnsafeRawBufferPointer {
    unsafe bytes(place(entry, .key), place(entry, .keyLength))
  }

  private func bytes(_ start: Int, _ length: Int) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(
      start: base + start, count: min(Int(word(length)), StoreTable.longestKey))
  }

  /// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/).
  static func hash(_ key: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for i in 0..<key.count { hash = unsafe (hash ^ UInt64(key[i])) &* 0x100_0000_01b3 }
    return hash
  }

  private func bucket(_ hash: UInt64) -> Int {
    StoreTable.bucketsOffset + 4 * Int((hash ^ hash >> 32) % UInt64(StoreTable.bucketCount))
  }

  /// Calls `body` with each entry of a chain until that says yes.
  private func follow(
    _ first: Int, _ field: Field, _ body: (Int) throws(Failure) -> Bool
  ) throws(Failure) {
    var (next, steps) = (try link(first), 0)
    while let entry = next {
      guard steps <= grown else { throw damaged }
      steps += 1
      next = try link(place(entry, field))
      if try body(entry) { return }
    }
  }

  /// The entry of what is in the store by this name.
  func find(_ key: UnsafeRawBufferPointer, _ hash: UInt64) throws(Failure) -> Int? {
    var found: Int?
    try follow(bucket(hash), .inBucket) { (entry) throws(Failure) in
      let other = unsafe self.key(entry)
      let isIt =
        unsafe long(place(entry, .hash)) == hash && state(entry) == .present
        && other.count == key.count
        && (key.isEmpty || memcmp(other.baseAddress!, key.baseAddress!, key.count) == 0)
      if isIt { found = entry }
      return isIt
    }
    return found
  }

  // MARK: Lists

  private func ends(_ state: State) -> (first: Int, last: Int) {
    let first = 80 + 8 * Int(state.rawValue)
    return (first, first + 4)
  }

  private func append(_ entry: Int, _ state: State) throws(Failure) {
    let ends = ends(state)
    let last = try link(ends.last)
    set(place(entry, .before), to: last)
    set(place(entry, .behind), to: nil)
    if let last { set(place(last, .behind), to: entry) } else { set(ends.first, to: entry) }
    set(ends.last, to: entry)
  }

  private func unlink(_ entry: Int, _ state: State) throws(Failure) {
    let ends = ends(state)
    let (before, behind) = (try link(place(entry, .before)), try link(place(entry, .behind)))
    if let before { set(place(before, .behind), to: behind) } else { set(ends.first, to: behind) }
    if let behind { set(place(behind, .before), to: before) } else { set(ends.last, to: before) }
  }

  /// Those of a state, of the present the one that was used longest ago first, until `body` says yes.
  func visit(_ state: State, _ body: (Int) throws(Failure) -> Bool) throws(Failure) {
    var last: Int?
    try follow(ends(state).first, .behind) { (entry) throws(Failure) in
      // No circle goes both ways.
      guard self.state(entry) == state, try link(place(entry, .before)) == last else {
        throw damaged
      }
      let isEnough = try body(entry)
      if self.state(entry) == state { last = entry }
      return isEnough
    }
  }

  // MARK: Changes

  /// Says that somebody has used it now.
  func use(_ entry: Int) throws(Failure) {
    try unlink(entry, .present)
    try append(entry, .present)
    stamp &+= 1
    set(place(entry, .stamp), stamp)
  }

  /// Is there room for so many bytes more?
  func hasRoom(_ size: UInt64) -> Bool { used <= capacity && size <= capacity - used }

  /// Reserves an entry, and the bytes of its object. Nil if there is no free one: `grow` then.
  func reserve(
    _ key: UnsafeRawBufferPointer, number: UInt64, size: UInt64, length: UInt64, kind: UInt32,
    builder: SeatIdentity
  ) throws(Failure) -> Int? {
    guard let entry = try link(84) else { return nil }
    set(84, to: try link(place(entry, .behind)))
    set(place(entry, .hash), unsafe StoreTable.hash(key))
    set(place(entry, .number), number)
    set(place(entry, .size), size)
    set(place(entry, .length), length)
    set(place(entry, .kind), kind)
    set(place(entry, .builder), builder.bits)
    set(place(entry, .flags), UInt32(0))
    set(place(entry, .keyLength), UInt32(key.count))
    unsafe UnsafeMutableRawBufferPointer(start: base + place(entry, .key), count: key.count)
      .copyMemory(from: key)
    set(place(entry, .state), State.building.rawValue)
    used &+= size
    try append(entry, .building)
    return entry
  }

  /// Where the bytes of the next entries are to be.
  func nextGrowth() throws(Failure) -> (offset: Int, count: Int) {
    guard grown < StoreTable.most else {
      throw Failure(ENOSPC, "it has % objects, and can't have more", UInt64(StoreTable.most))
    }
    let first = grown
    return (
      StoreTable.entriesOffset + first * StoreTable.entrySize,
      (StoreTable.end(first) - first) * StoreTable.entrySize
    )
  }

  /// Of the entries that get their memory at once, from the first one on.
  private static func end(_ first: Int) -> Int { min(first + growth, most) }

  /// There is memory for them now.
  func grow() throws(Failure) {
    let first = grown
    let end = StoreTable.end(first)
    grown = end
    for entry in (first..<end).reversed() { try free(entry) }
  }

  private func free(_ entry: Int) throws(Failure) {
    set(place(entry, .state), State.free.rawValue)
    set(place(entry, .behind), to: try link(84))
    set(84, to: entry)
  }

  /// Its object is complete: it is in the store from now on, and what was by that name leaves.
  func publish(_ entry: Int) throws(Failure) -> Int? {
    let hash = long(place(entry, .hash))
    let replaced = unsafe try find(key(entry), hash)
    // It is the key that is pinned.
    if let replaced { set(entry, flags(entry).union(flags(replaced).intersection(.pinned))) }
    stamp &+= 1
    set(place(entry, .stamp), stamp)
    set(place(entry, .createdAt), czinc_wall())
    try unlink(entry, .building)
    set(place(entry, .state), State.present.rawValue)  // s4
    try enter(entry, hash)
    try append(entry, .present)
    if let replaced { try leave(replaced, nil) }
    tell(.put, entry)
    return replaced
  }

  private func enter(_ entry: Int, _ hash: UInt64) throws(Failure) {
    let bucket = bucket(hash)
    set(place(entry, .inBucket), to: try link(bucket))
    set(bucket, to: entry)
    count += 1
  }

  /// It loses its key; of what is being made, it is given up.
  func leave(_ entry: Int, _ change: Change?) throws(Failure) {
    let state = state(entry)
    if state == .present {
      let bucket = bucket(long(place(entry, .hash)))
      var place = bucket
      try follow(bucket, .inBucket) { (other) throws(Failure) in
        if other != entry {
          place = self.place(other, .inBucket)
          return false
        }
        set(place, to: try link(self.place(entry, .inBucket)))
        return true
      }
      count -= 1
    }
    try unlink(entry, state)
    set(place(entry, .state), State.leaving.rawValue)  // s5
    try append(entry, .leaving)
    if let change { tell(change, entry) }
  }

  /// It has been looked at, and others of its state come first the next time.
  func postpone(_ entry: Int) throws(Failure) {
    let state = state(entry)
    try unlink(entry, state)
    try append(entry, state)
  }

  /// Its object's memory is free.
  func end(_ entry: Int) throws(Failure) {
    try unlink(entry, .leaving)
    used -= min(used, size(entry))
    try free(entry)
  }

  // MARK: Events

  private func tell(_ change: Change, _ entry: Int) {
    let place =
      StoreTable.eventsOffset + Int(events % UInt64(StoreTable.eventCount)) * StoreTable.eventSize
    let key = unsafe key(entry)
    set(place, change.rawValue)
    set(place + 4, UInt32(key.count))
    set(place + 8, length(entry))
    set(place + 16, czinc_wall())
    unsafe UnsafeMutableRawBufferPointer(start: base + place + 24, count: key.count)
      .copyMemory(from: key)
    events &+= 1
  }

  @safe struct Event {
    let change: UInt32
    let length: UInt64
    let time: UInt64
    let key: UnsafeRawBufferPointer
  }

  /// Of the last ones.
  func event(_ number: UInt64) -> Event {
    let place =
      StoreTable.eventsOffset + Int(number % UInt64(StoreTable.eventCount)) * StoreTable.eventSize
    return unsafe Event(
      change: word(place), length: long(place + 8), time: long(place + 16),
      key: bytes(place + 24, place + 4))
  }

  // MARK: Repair

  /// Makes all that follows from the entries anew, since somebody was killed amid a change. There are
  /// no more than have memory, of which the data has so much: to touch others would take some.
  func repair(_ memory: UInt64) throws(Failure) {
    let end = StoreTable.entriesOffset + grown * StoreTable.entrySize
    guard UInt64(end) <= memory else { throw damaged }
    unsafe memset(base + StoreTable.bucketsOffset, 0, 4 * StoreTable.bucketCount)
    for offset in stride(from: 84, to: 112, by: 4) { set(offset, UInt32(0)) }
    used = 0
    count = 0
    for entry in (0..<grown).reversed() {
      let state = state(entry)
      if state == .free {
        try free(entry)
        continue
      }
      used = used.addingReportingOverflow(size(entry)).partialValue
      set(place(entry, .state), state.rawValue)
      stamp = max(stamp, long(place(entry, .stamp)))
      guard state == .present else {
        try append(entry, state)
        continue
      }
      try append(entry, .present)
    }
    try sort()
    // The older of two with one key is the one that was being replaced.
    var next = try link(ends(.present).first)
    while let entry = next {
      next = try link(place(entry, .behind))
      let hash = long(place(entry, .hash))
      let older = unsafe try find(key(entry), hash)
      try enter(entry, hash)
      if let older { try leave(older, nil) }
    }
  }

  /// The present ones by their last use: a merge sort of runs, twice as long each time.
  private func sort() throws(Failure) {
    let ends = ends(.present)
    var length = 1
    while true {
      var steps = 0
      var rest = try link(ends.first)
      set(ends.first, to: nil)
      set(ends.last, to: nil)
      var merges = 0
      while let start = rest {
        merges += 1
        var (left, right): (Int?, Int?) = (start, start)
        var (leftCount, rightCount) = (0, length)
        while leftCount < length, let entry = right {
          leftCount += 1
          right = try link(place(entry, .behind))
        }
        while leftCount > 0 || (rightCount > 0 && right != nil) {
          let takesLeft: Bool
          if leftCount == 0 {
            takesLeft = false
          } else if let right, rightCount > 0, let left {
            takesLeft = long(place(left, .stamp)) <= long(place(right, .stamp))
          } else {
            takesLeft = true
          }
          steps += 1
          guard let entry = takesLeft ? left : right, steps <= grown else { throw damaged }
          let behind = try link(place(entry, .behind))
          if takesLeft {
            leftCount -= 1
            left = behind
          } else {
            rightCount -= 1
            right = behind
          }
          try append(entry, .present)
        }
        rest = right
      }
      if merges <= 1 { return }
      guard length <= grown else { throw damaged }
      length *= 2
    }
  }
}
