internal import CZinc

/// A file descriptor that closes when it goes out of scope.
struct Descriptor: ~Copyable {
  private(set) var raw: Int32
  let isWritable: Bool
  /// Of a new file that has a name for as long as it is being made: its number, else 0.
  private var newNumber: UInt64 = 0

  /// Nothing is inherited across exec, here and below.
  init(opening path: UnsafePointer<CChar>, isWritable: Bool) throws(Failure) {
    raw = try check(unsafe czinc_open(path, isWritable ? 1 : 0), "open")
    self.isWritable = isWritable
  }

  /// A new file in the folder, with no name that others look for; it goes with the descriptor
  /// unless it is published.
  init(newOf mode: UInt32) throws(Failure) {
    var number: UInt64 = 0
    self.init(try check(unsafe czinc_create_new(mode, &number), "open"))  // t1
    newNumber = number
  }

  /// A file that somebody began to make.
  init(openingNew number: UInt64) throws(Failure) {
    self.init(try check(czinc_open_new(number), "open"))
  }

  /// Gives a new file its name, unless something has that. What the system says.
  mutating func publish(as path: UnsafePointer<CChar>) -> Int32 {
    let result = unsafe czinc_publish(raw, newNumber, path)  // t4
    if result == 0 { newNumber = 0 }
    return result
  }

  private init(_ raw: Int32, isWritable: Bool = true) {
    self.raw = raw
    self.isWritable = isWritable
  }

  /// memfd_create(2), in no file system.
  init(unnamed: Void) throws(Failure) {
    self.init(try check(czinc_create_anonymous(), "memfd_create"))
  }

  /// One that is readable when something has come into a folder.
  static func watch(of folder: UnsafePointer<CChar>) throws(Failure) -> Descriptor {
    Descriptor(try check(unsafe czinc_watch(folder), "inotify_init1"))
  }

  /// Another descriptor for what a caller's leads to.
  init(duplicating other: Int32) throws(Failure) {
    let raw = try check(czinc_duplicate(other), "dup")
    self.init(raw, isWritable: czinc_is_writable(raw) != 0)
  }

  /// The same file through a description of its own. It takes /proc.
  @inline(never)
  func reopened() throws(Failure) -> Descriptor {
    Descriptor(try check(czinc_reopen(raw, 1), "open"))
  }

  /// The same file, as writable as this one, through a description of its own. Needs /proc.
  func anew() throws(Failure) -> Descriptor {
    Descriptor(try check(czinc_reopen(raw, isWritable ? 1 : 0), "open"), isWritable: isWritable)
  }

  /// From now on this number leads to what `other` does, which is as writable.
  func lead(to other: borrowing Descriptor) throws(Failure) {
    try check(czinc_replace(other.raw, raw), "dup3")
  }

  deinit {
    if czinc_names_what_is_new() != 0 && newNumber != 0 { _ = czinc_discard_new(newNumber) }  // t5
    if raw >= 0 { _ = czinc_close(raw) }
  }

  /// One that `forget` has let go, and that is to close again.
  init(remembered raw: Int32) { self.init(raw) }

  /// Leaves the number to whoever has it now.
  consuming func forget() { raw = -1 }

  /// fstat(2).
  @inline(never)
  func status() throws(Failure) -> czinc_status {
    var status = czinc_status()
    try check(unsafe czinc_fstat(raw, &status), "fstat")
    return status
  }

  /// fchown(2), the owner stays.
  func setGroup(_ group: UInt32) throws(Failure) {
    let result = czinc_set_group(raw, group)
    if result == -EPERM {
      throw Failure(
        EPERM, "this user is not of group %, and can't give it a region; id -G shows the groups",
        UInt64(group))
    }
    if result == -EINVAL {
      throw Failure(EINVAL, "group % has no number in this user namespace", UInt64(group))
    }
    try check(result, "fchown")
  }

  /// Writes all of it, at byte `offset`.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Failure) {
    guard let start = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      let count = unsafe czinc_pwrite(
        raw, start + done, UInt(bytes.count - done), Int64(offset + done))
      if count == -Int64(EINTR) { continue }
      if count == -Int64(ENOSPC) { throw AvailableMemory.folderIsFull(offset + bytes.count) }
      try check(Int32(clamping: count), "pwrite")
      if count == 0 { throw Failure(system: "pwrite", EIO) }
      done += Int(count)
    }
  }

  /// Gives a file that is not mapped its size and, unless it is to be sparse, its memory from
  /// byte `start` on.
  func allocate(_ size: Int, sparse: Bool, from start: Int = 0) throws(Failure) {
    let limit = czinc_file_limit()
    if UInt64(size) > limit {
      throw Failure(
        EFBIG, "% bytes do not fit: a file of this process may have % bytes; raise ulimit -f",
        UInt64(size), limit)
    }
    if sparse {
      try check(czinc_ftruncate(raw, Int64(size)), "ftruncate")
      return
    }
    do throws(Failure) {
      try Descriptor.reserve(raw, from: start, to: size)
    } catch {
      // Gives back what it got, which takes long, here and not when the file is closed.
      _ = czinc_ftruncate(raw, 0)
      throw error
    }
  }

  /// Sees to it that these bytes have memory.
  ///
  /// fallocate(2) on a tmpfs gives up with EINTR whenever a signal is pending and
  /// undoes what it did, so a large file under a fast profiling timer would never
  /// be done. In pieces that shrink with each interruption it is.
  static func reserve(_ raw: Int32, from start: Int, to end: Int) throws(Failure) {
    var piece = end - start
    var done = start
    while done < end {
      let length = min(piece, end - done)
      let result = czinc_fallocate(raw, Int64(done), Int64(length))
      if result == -EINTR {
        piece = max(piece / 4, 64 << 10)
        continue
      }
      if result == -ENOSPC { throw AvailableMemory.folderIsFull(end - start) }
      try check(result, "fallocate")
      done += length
    }
  }
}

// MARK: - Locks

/// A byte of a file that processes lock; which mean what, those know who lock them.
struct LockByte {
  let offset: Int64
}

/// A lock that another description holds.
enum ForeignLock: Int32 {
  case none, shared, exclusive
}

/// Open file description locks, which the kernel drops with the last descriptor
/// of the description, however its process ended.
extension Descriptor {
  /// Takes the lock if nobody else's is in the way: is it taken?
  @inline(never)
  func tryLock(_ byte: LockByte, exclusive: Bool) throws(Failure) -> Bool {
    let result = czinc_lock(raw, exclusive ? CZINC_LOCK_EXCLUSIVE : CZINC_LOCK_SHARED, byte.offset)
    if result == -EAGAIN { return false }
    try check(result, "fcntl(F_OFD_SETLK)")
    return true
  }

  func unlock(_ byte: LockByte) { _ = czinc_lock(raw, CZINC_LOCK_NONE, byte.offset) }

  /// Who else holds this lock? Works on read-only descriptors too.
  @inline(never)
  func lockOfOthers(_ byte: LockByte) throws(Failure) -> ForeignLock {
    let kind = try check(czinc_lock_of_others(raw, byte.offset), "fcntl(F_OFD_GETLK)")
    return kind == CZINC_LOCK_SHARED ? .shared : kind == CZINC_LOCK_EXCLUSIVE ? .exclusive : .none
  }
}
