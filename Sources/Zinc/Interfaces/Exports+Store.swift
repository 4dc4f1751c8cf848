// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CZinc

// The part of zinc.h that is about stores.

@c @implementation
public func zinc_store_create(
  _ name: UnsafePointer<CChar>?, _ capacity: UInt64, _ full: UInt32,
  _ options: UnsafePointer<ZincOptions>?, _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attachByName("create the store", name, out) { path throws(Failure) in
    unsafe try Store.create(path, capacity: capacity, policy(full), opens: false, given(options))
  }
}

@c @implementation
public func zinc_store_open_or_create(
  _ name: UnsafePointer<CChar>?, _ capacity: UInt64, _ full: UInt32,
  _ options: UnsafePointer<ZincOptions>?, _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attachByName("open or create the store", name, out) { path throws(Failure) in
    unsafe try Store.create(path, capacity: capacity, policy(full), opens: true, given(options))
  }
}

@c @implementation
public func zinc_store_open(
  _ name: UnsafePointer<CChar>?, _ options: UnsafePointer<ZincOptions>?,
  _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attachByName("open the store", name, out) { path throws(Failure) in
    unsafe try Store.open(path, RegionOptions(options))
  }
}

private func policy(_ full: UInt32) throws(Failure) -> StoreTable.Policy {
  guard let policy = StoreTable.Policy(rawValue: full) else {
    throw Failure(EINVAL, "full is %, and must be 0, 1 or 2", UInt64(full))
  }
  return policy
}

private func given(_ options: UnsafePointer<ZincOptions>?) throws(Failure) -> RegionOptions {
  let options = unsafe try RegionOptions(options)
  guard options.kind == 0, options.written == 0 else {
    throw Failure(EINVAL, "a store's region has no kind and no contents of a caller's")
  }
  return options
}

private func bytes(_ key: UnsafeRawPointer?, _ length: UInt) throws(Failure)
  -> UnsafeRawBufferPointer
{
  guard unsafe key != nil || length == 0 else {
    throw Failure(EINVAL, "the key is null, and its length is not 0")
  }
  return unsafe UnsafeRawBufferPointer(start: key, count: Int(clamping: length))
}

/// Does its flags say that what has the key makes way?
private func replaces(_ flags: UInt32) throws(Failure) -> Bool {
  guard flags & ~UInt32(ZINC_STORE_REPLACE) == 0 else {
    throw Failure(EINVAL, "a flag that stores do not know: %", UInt64(flags))
  }
  return flags != 0
}

/// Reports what comes of a handle; EINVAL for a null one.
@inline(never)
private func with(
  _ operation: StaticString, _ store: ZincHandle?,
  _ body: (Attachment.Handle) throws(Failure) -> Void
) -> Int32 {
  guard let handle = unsafe attachment(store) else { return -EINVAL }
  return unsafe report(operation, handle.pointee.nameForMessages) { () throws(Failure) in
    unsafe try body(handle)
  }
}

@c @implementation
public func zinc_store_begin(
  _ store: ZincHandle?, _ key: UnsafeRawPointer?, _ length: UInt, _ capacity: UInt,
  _ flags: UInt32, _ options: UnsafePointer<ZincOptions>?, _ wait: UnsafePointer<ZincWaitOptions>?,
  _ object: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  guard let handle = unsafe attachment(store) else { return -EINVAL }
  return unsafe attach("put into", object, name: handle.pointee.nameForMessages) {
    () throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try Store.begin(
      handle, bytes(key, length), capacity: Int(clamping: capacity), replaces: replaces(flags),
      RegionOptions(options), how, deadline: deadline)
  }
}

@c @implementation
public func zinc_store_seal(_ store: ZincHandle?, _ object: ZincHandle?, _ flags: UInt32) -> Int32 {
  guard let object = unsafe attachment(object) else { return -EINVAL }
  return unsafe with("put into", store) { handle throws(Failure) in
    unsafe try Store.seal(handle, object, replaces: replaces(flags))
  }
}

@c @implementation
public func zinc_store_abort(_ store: ZincHandle?, _ object: ZincHandle?) -> Int32 {
  guard let object = unsafe attachment(object) else { return -EINVAL }
  return unsafe with("give up an object of", store) { handle throws(Failure) in
    unsafe try Store.abort(handle, object)
  }
}

@c @implementation
public func zinc_store_get(
  _ store: ZincHandle?, _ key: UnsafeRawPointer?, _ length: UInt,
  _ wait: UnsafePointer<ZincWaitOptions>?, _ object: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  guard let handle = unsafe attachment(store) else { return -EINVAL }
  return unsafe attach("get from", object, name: handle.pointee.nameForMessages) {
    () throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try Store.get(handle, bytes(key, length), how, deadline: deadline)
  }
}

@c @implementation
public func zinc_store_remove(_ store: ZincHandle?, _ key: UnsafeRawPointer?, _ length: UInt)
  -> Int32
{
  unsafe with("remove from", store) { handle throws(Failure) in
    unsafe try Store.remove(handle, bytes(key, length))
  }
}

@c @implementation
public func zinc_store_take(
  _ store: ZincHandle?, _ key: UnsafeRawPointer?, _ length: UInt,
  _ object: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  guard let handle = unsafe attachment(store) else { return -EINVAL }
  return unsafe attach("take from", object, name: handle.pointee.nameForMessages) {
    () throws(Failure) in
    unsafe try Store.take(handle, bytes(key, length))
  }
}

@c @implementation
public func zinc_store_pin(
  _ store: ZincHandle?, _ key: UnsafeRawPointer?, _ length: UInt, _ pinned: UInt32
) -> Int32 {
  unsafe with("pin in", store) { handle throws(Failure) in
    unsafe try Store.pin(handle, bytes(key, length), pinned != 0)
  }
}

@c @implementation
public func zinc_store_evict(
  _ store: ZincHandle?, _ bytes: UInt64, _ freed: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  unsafe with("evict from", store) { handle throws(Failure) in
    let count = unsafe try Store.evict(handle, bytes)
    unsafe freed?.pointee = count
  }
}

private func fill(
  _ out: UnsafeMutablePointer<ZincStoreEntry>, _ table: StoreTable, _ entry: Int,
  _ handle: Attachment.Handle
) {
  unsafe out.pointee.capacity = table.length(entry)
  unsafe out.pointee.memory = table.size(entry)
  unsafe out.pointee.created_at = table.createdAt(entry)
  unsafe out.pointee.state = table.state(entry).rawValue
  unsafe out.pointee.kind = table.kind(entry)
  unsafe out.pointee.pinned = table.flags(entry).contains(.pinned) ? 1 : 0
  let key = unsafe table.key(entry)
  unsafe out.pointee.key_length = UInt32(key.count)
  unsafe withUnsafeMutableBytes(of: &out.pointee.key) { unsafe $0.copyMemory(from: key) }
  unsafe withUnsafeMutableBytes(of: &out.pointee.name) { room in
    guard let path = try? unsafe Store.path(handle, table.number(entry)) else { return }
    unsafe room.copyMemory(
      from: UnsafeRawBufferPointer(start: path.name, count: Int(strlen(path.name)) + 1))
  }
}

@c @implementation
public func zinc_store_find(
  _ store: ZincHandle?, _ key: UnsafeRawPointer?, _ length: UInt,
  _ entry: UnsafeMutablePointer<ZincStoreEntry>?
) -> Int32 {
  guard let entry = unsafe entry else { return -EINVAL }
  return unsafe with("look at", store) { handle throws(Failure) in
    guard unsafe entry.pointee.size >= MemoryLayout<ZincStoreEntry>.size else {
      throw Failure(EINVAL, "entry.size must be sizeof(ZincStoreEntry)")
    }
    unsafe try Store.find(handle, bytes(key, length)) { unsafe fill(entry, $0, $1, handle) }
  }
}

@c @implementation
public func zinc_store_list(
  _ store: ZincHandle?,
  _ tell: (@convention(c) (UnsafePointer<ZincStoreEntry>?, UnsafeMutableRawPointer?) -> Void)?,
  _ context: UnsafeMutableRawPointer?
) -> Int32 {
  unsafe with("list", store) { handle throws(Failure) in
    // Told once the lock is free.
    var all: UnsafeMutablePointer<ZincStoreEntry>?
    var (count, room) = (0, 0)
    var isShort = false
    defer { unsafe czinc_free(all) }
    unsafe try Store.visit(handle) { table, entry in
      if count == room {
        let more = max(64, 2 * room)
        let size = UInt(more * MemoryLayout<ZincStoreEntry>.stride)
        guard let larger = unsafe czinc_reallocate(all, size) else {
          isShort = true
          return
        }
        unsafe all = unsafe larger.assumingMemoryBound(to: ZincStoreEntry.self)
        room = more
      }
      guard let all = unsafe all else { return }
      unsafe all[count] = ZincStoreEntry()
      unsafe all[count].size = UInt(MemoryLayout<ZincStoreEntry>.size)
      unsafe fill(all + count, table, entry, handle)
      count += 1
    }
    if isShort { throw Failure(system: "realloc", ENOMEM) }
    for i in 0..<count { unsafe tell?(all! + i, context) }
  }
}

@c @implementation
public func zinc_store_examine(_ store: ZincHandle?, _ info: UnsafeMutablePointer<ZincStoreInfo>?)
  -> Int32
{
  guard let info = unsafe info else { return -EINVAL }
  return unsafe with("look at", store) { handle throws(Failure) in
    guard unsafe info.pointee.size >= MemoryLayout<ZincStoreInfo>.size else {
      throw Failure(EINVAL, "info.size must be sizeof(ZincStoreInfo)")
    }
    unsafe try Store.look(handle) { table in
      unsafe info.pointee.capacity = table.capacity
      unsafe info.pointee.used = table.used
      unsafe info.pointee.objects = UInt64(table.count)
      unsafe info.pointee.events = table.events
      unsafe info.pointee.puts = table[.puts]
      unsafe info.pointee.hits = table[.hits]
      unsafe info.pointee.misses = table[.misses]
      unsafe info.pointee.evictions = table[.evictions]
      unsafe info.pointee.removals = table[.removals]
      unsafe info.pointee.full = table.policy.rawValue
      unsafe info.pointee.reserved = 0
    }
  }
}

@c @implementation
public func zinc_store_events(
  _ store: ZincHandle?, _ next: UnsafeMutablePointer<UInt64>?,
  _ events: UnsafeMutablePointer<ZincStoreEvent>?, _ count: UInt32,
  _ found: UnsafeMutablePointer<UInt32>?, _ lost: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  guard let next = unsafe next, let found = unsafe found, let lost = unsafe lost,
    unsafe events != nil || count == 0
  else { return -EINVAL }
  return unsafe with("look at the events of", store) { handle throws(Failure) in
    unsafe found.pointee = 0
    unsafe lost.pointee = try Store.events(handle, &next.pointee, limit: Int(count)) { event in
      guard let out = unsafe events else { return }
      let i = unsafe Int(found.pointee)
      unsafe out[i] = ZincStoreEvent()
      unsafe out[i].time = event.time
      unsafe out[i].capacity = event.length
      unsafe out[i].change = event.change
      let key = unsafe event.key
      unsafe out[i].key_length = UInt32(key.count)
      unsafe withUnsafeMutableBytes(of: &out[i].key) { unsafe $0.copyMemory(from: key) }
      unsafe found.pointee += 1
    }
  }
}
