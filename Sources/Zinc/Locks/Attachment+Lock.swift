internal import CZinc
internal import Synchronization

// Regions that are no more than a lock, or another of its family.
extension Attachment {
  /// Opens what has this name, or creates it, for `count` permits or parties. EEXIST if it is of
  /// another kind, or for another count.
  static func openLock(
    _ path: borrowing RegionPath, _ primitive: Primitive, _ count: UInt32, _ options: RegionOptions
  ) throws(Failure) -> Handle {
    var options = options
    options.kind = primitive.rawValue
    let size = try primitive.size(count)
    // Complete before anybody can open it.
    return unsafe try withUnsafeBytes(of: count) { (bytes) throws(Failure) -> Handle in
      if primitive.isCounted { options = unsafe options.beginning(with: bytes) }
      let handle: Handle
      do throws(Failure) {
        unsafe handle = unsafe try openOrCreate(path, capacity: size, options)
      } catch  where error.code == EEXIST {
        throw Failure(EEXIST, "the name is taken by something else, or by one for another number")
      }
      do throws(Failure) {
        let found = unsafe handle.pointee.file.kind
        guard found == primitive.rawValue else {
          throw Failure(EEXIST, "the name is taken by a region of kind %", UInt64(found))
        }
        if primitive.isCounted { unsafe try primitive.begin(handle, at: 0, count) }
        return unsafe handle
      } catch {
        unsafe close(handle)
        throw error
      }
    }
  }

  /// Where `size` bytes of the data from byte `offset` on are, for a lock or another of its family.
  ///
  /// EINVAL for an offset that is not aligned or not inside, EACCES if it can't be written.
  @inline(__always)
  static func place(_ handle: Handle, _ offset: Int, _ size: Int, alignment: Int) throws(Failure)
    -> UnsafeMutableRawPointer
  {
    let capacity = unsafe handle.pointee.capacity
    guard offset >= 0, size <= capacity, offset <= capacity - size,
      unsafe offset % alignment == 0 && !handle.pointee.isReadonly
    else { throw unsafe noPlace(handle, offset, size, alignment) }
    return unsafe handle.pointee.data + offset
  }

  @inline(never)
  private static func noPlace(_ handle: Handle, _ offset: Int, _ size: Int, _ alignment: Int)
    -> Failure
  {
    if unsafe handle.pointee.isReadonly {
      return Failure(EACCES, "the region is read-only here, and this has to be written")
    }
    if offset % alignment != 0 {
      return Failure(
        EINVAL, "byte % is not aligned: this begins at a multiple of %", UInt64(clamping: offset),
        UInt64(alignment))
    }
    return Failure(
      EINVAL, "bytes from % on are not inside: this has % bytes, and the region %",
      UInt64(clamping: offset), UInt64(size), unsafe UInt64(handle.pointee.capacity))
  }

  /// The number that a word is for good, which is 0 until the first one wants another. EINVAL where
  /// nobody did yet, EEXIST if it is another one than what is wanted, 0 being none in particular.
  static func agree(on base: UnsafeMutableRawPointer, _ wanted: UInt32, room: Int) throws(Failure)
    -> Int
  {
    let word = unsafe base.assumingMemoryBound(to: Atomic<UInt32>.self)
    var found = unsafe word.pointee.load(ordering: .relaxed)
    if found == 0 && wanted != 0 {
      let (exchanged, original) = unsafe word.pointee.compareExchange(
        expected: 0, desired: wanted, ordering: .relaxed)
      found = exchanged ? wanted : original
    }
    guard found != 0 else {
      throw Failure(EINVAL, "nobody has said yet for how many it is: open it with that number")
    }
    guard wanted == 0 || wanted == found else {
      throw Failure(
        EEXIST, "it is for %, and % were asked for", UInt64(found), UInt64(wanted))
    }
    let most = min(max(room, 0), Int(Primitive.most))
    guard found <= most else {
      throw Failure(
        EBADMSG, "damaged: it is for %, and there is room for %", UInt64(found), UInt64(most))
    }
    return Int(found)
  }
}
