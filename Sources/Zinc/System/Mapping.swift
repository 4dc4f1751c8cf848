internal import CZinc

/// A file's pages in this process, unmapped when it goes out of scope.
@safe struct Mapping: ~Copyable {
  let base: UnsafeMutableRawPointer
  private let length: Int

  /// So many bytes, with the rest of the last page.
  static func wholePages(_ bytes: Int) -> Int {
    let page = Int(czinc_page_size())
    return (bytes + page - 1) / page * page
  }

  /// Maps all `size` bytes of a file, rounded up to pages.
  ///
  /// A mapping keeps its file description alive, and with it the locks that were
  /// taken through it: never map through a description that locks.
  ///
  /// With an `alignment`, a power of two, the address is a multiple of it: so a huge page of the
  /// file can be one of the mapping.
  init(_ file: borrowing Descriptor, size: Int, alignment: Int = 0) throws(Failure) {
    var address: UnsafeMutableRawPointer?
    let isWritable: Int32 = file.isWritable ? 1 : 0
    if alignment > 0 && size >= alignment {
      try check(
        unsafe czinc_mmap_aligned(
          file.raw, UInt(size), isWritable, UInt(alignment), &address), "mmap")
    } else {
      try check(unsafe czinc_mmap(file.raw, UInt(size), isWritable, &address), "mmap")
    }
    guard let address = unsafe address else { throw Failure(system: "mmap", ENOMEM) }
    unsafe base = unsafe address
    length = size
    if !CoreDumps.areWanted { unsafe czinc_keep_from_dumps(base, UInt(size)) }
  }

  /// Zeroed memory that no other program can have; no descriptor, and no system forbids it.
  init(unnamedSize size: Int) throws(Failure) {
    var address: UnsafeMutableRawPointer?
    try check(unsafe czinc_mmap_unnamed(UInt(size), &address), "mmap")
    guard let address = unsafe address else { throw Failure(system: "mmap", ENOMEM) }
    unsafe base = unsafe address
    length = size
    if !CoreDumps.areWanted { unsafe czinc_keep_from_dumps(base, UInt(size)) }
  }

  /// Keeps a file's memory for a moment, so that who closes the last descriptor of a large file,
  /// inside the `ForkGate`, need not wait until its memory is given back. No child has it.
  init(keeping file: borrowing Descriptor) throws(Failure) {
    try self.init(file, size: 1)
    unsafe czinc_keep_from_children(base, 1)
  }

  deinit { _ = unsafe czinc_munmap(base, UInt(length)) }

  /// Makes huge pages of all that are whole: madvise(2), *MADV_COLLAPSE*. 0 or -errno.
  func collapse(in hugePage: Int) -> Int32 {
    unsafe czinc_collapse(base, UInt(length / hugePage * hugePage))
  }

  /// Maps each page now, as a read or a write of it would: *MADV_POPULATE_READ*. 0 or -errno.
  func populate(forWriting: Bool) -> Int32 {
    unsafe czinc_populate(base, UInt(length), forWriting ? 1 : 0)
  }

  /// Forbids writes from byte `offset`, a multiple of the page size, to the end.
  func protect(from offset: Int) throws(Failure) {
    try check(unsafe czinc_protect(base + offset, UInt(length - offset)), "mprotect")
  }
}
