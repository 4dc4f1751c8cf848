internal import CZinc

/// What create and open can be asked for, over all bindings.
@safe struct RegionOptions {
  struct Flags: OptionSet {
    let rawValue: UInt32
    // The values are those of zinc.h.
    static let persistent = Flags(rawValue: 1)
    static let sparse = Flags(rawValue: 2)
    static let readonly = Flags(rawValue: 4)
    static let anyUser = Flags(rawValue: 8)
    static let local = Flags(rawValue: 32)
    static let replace = Flags(rawValue: 64)
    static let hugepages = Flags(rawValue: 128)
    static let prefault = Flags(rawValue: 256)
    static let group = Flags(rawValue: 512)
    static let transient = Flags(rawValue: 1024)
    static let pages: Flags = [.hugepages, .prefault]
  }

  var flags: Flags = []
  var mode: UInt32 = 0o600
  /// With the flag: the group's number.
  var group: UInt32 = 0
  var metadata = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  /// What the data begins with.
  var contents = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  /// What else it has here and there.
  var pieces = unsafe UnsafeBufferPointer<ZincPiece>(start: nil, count: 0)
  var kind: UInt32 = 0
  /// So many bytes of data have memory where the rest is sparse.
  var reserved = 0

  /// Of the mapping's address; 0 for none.
  var alignment: Int { flags.contains(.hugepages) ? HugePages.size : 0 }

  /// Bytes that are written, and not only zeros.
  var written: Int {
    unsafe pieces.reduce(contents.count) { (sum, piece) in unsafe sum &+ Int(clamping: piece.length)
    }
  }

  init() {}

  init(
    mode: UInt32, group: UInt32? = nil, isPersistent: Bool, reserve: Bool, replace: Bool = false
  ) {
    self.mode = mode
    if let group {
      self.group = group
      flags.insert(.group)
    }
    if replace { flags.insert(.replace) }
    if isPersistent { flags.insert(.persistent) }
    if !reserve { flags.insert(.sparse) }
  }

  /// The same, with metadata that has to last as long as the call they are for.
  func keeping(_ metadata: UnsafeRawBufferPointer, _ kind: UInt32) -> RegionOptions {
    var options = self
    options.kind = kind
    unsafe options.metadata = unsafe metadata
    return options
  }

  /// The same, with contents that have to last as long.
  func beginning(with contents: UnsafeRawBufferPointer) -> RegionOptions {
    var options = self
    unsafe options.contents = unsafe contents
    return options
  }
}
