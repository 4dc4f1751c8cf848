internal import CZinc

/// A file's pages in this process, unmapped when it goes out of scope.
@safe struct Mapping: ~Copyable {
  let base: UnsafeMutableRawPointer
  private let length: Int

  /// Maps all `size` bytes of a file, rounded up to pages.
  ///
  /// A mapping keeps its file description alive, and with it the locks that were
  /// taken through it: never map through a description that locks.
  init(_ file: borrowing Descriptor, size: Int) throws(Failure) {
    var address: UnsafeMutableRawPointer?
    let protection = file.isWritable ? PROT_READ | PROT_WRITE : PROT_READ
    try check(unsafe czinc_mmap(file.raw, UInt(size), protection, &address), "mmap")
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

  /// Forbids writes from byte `offset`, a multiple of the page size, to the end.
  func protect(from offset: Int) throws(Failure) {
    try check(unsafe czinc_mprotect(base + offset, UInt(length - offset), PROT_READ), "mprotect")
  }
}
