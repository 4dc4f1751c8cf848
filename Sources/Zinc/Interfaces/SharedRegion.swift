// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc

  /// A region of memory that this process shares with others: attached as long as
  /// this value lives.
  ///
  ///     let frames = try SharedRegion.create("frames", capacity: 64 << 20)
  ///     frames.withUnsafeMutableBytes { $0[0] = 1 }
  ///     frames.notify()
  ///
  /// Any number of threads may use one value at once. What several processes or
  /// threads write to the same bytes at the same time is for them to agree on. A
  /// region goes away with its last user in any process; a forked child that goes on
  /// using it counts.
  @safe public struct SharedRegion: ~Copyable, @unchecked Sendable {
    private let handle: Attachment.Handle
    /// For what may be in use after this value: it finds the region detached, and its memory there.
    let memory: AttachmentMemory

    /// For tests of what the C functions do with it.
    var attachment: Attachment.Handle { unsafe handle }

    init(_ handle: Attachment.Handle) {
      unsafe self.handle = unsafe handle
      memory = unsafe AttachmentMemory(handle)
    }

    deinit { unsafe Attachment.detach(handle) }

    /// Creates a region of exactly `capacity` zeroed bytes and attaches to it.
    ///
    /// - Parameters:
    ///   - name: 1 to 250 characters out of A-Z, a-z, 0-9, `_` and `-`.
    ///   - capacity: bytes, from 1.
    ///   - mode: permissions as of a file. Must let the owner read and write.
    ///   - group: the number of the group that the region's file belongs to, one of this user's;
    ///     `mode` must give it something. nil leaves it to the system.
    ///   - isPersistent: the region lasts until it is unlinked, not until its last user
    ///     is gone.
    ///   - reserve: take the memory at once. Otherwise it is taken page by page at the
    ///     first touch, which is a bus error where there is none left.
    ///   - metadata: at most 2048 bytes to keep beside the data, for all who attach.
    ///   - kind: what the data is; 0 bytes, 1 an array of numpy's, whose description is the
    ///     metadata, yours from 1000.
    ///   - replace: a region that has the name loses it, once the new one is complete; who is
    ///     attached goes on with what they have, and is told, as by `unlink`.
    ///   - pages: what the pages are to be, for this process: each maps for itself.
    /// - Throws: `ZincError`: `alreadyExists`, `invalidArgument`, `noSpace`,
    ///   `notPermitted`, or as the system says.
    public static func create(
      _ name: String, capacity: Int, mode: UInt32 = 0o600, group: UInt32? = nil,
      isPersistent: Bool = false, reserve: Bool = true, metadata: [UInt8] = [], kind: UInt32 = 0,
      replace: Bool = false,
      pages: Pages = []
    ) throws(ZincError) -> SharedRegion {
      var options = RegionOptions(
        mode: mode, group: group, isPersistent: isPersistent, reserve: reserve, replace: replace)
      options.flags.formUnion(pages.flags)
      return unsafe try attach("create", name) { path throws(Failure) in
        try unsafe metadata.span.withUnsafeBytes { (bytes) throws(Failure) in
          unsafe try Attachment.create(path, capacity: capacity, options.keeping(bytes, kind))
        }
      }
    }

    /// Creates a region of these elements and attaches to it: nobody can open it before they are
    /// complete. Parameters as for `create` of a capacity, which is what they take.
    ///
    ///     let image = try SharedRegion.create("image", contents: pixels.span)
    ///
    /// - Throws: `ZincError` as `create` of a capacity.
    public static func create<Element: BitwiseCopyable>(
      _ name: String, contents: Span<Element>, mode: UInt32 = 0o600, group: UInt32? = nil,
      isPersistent: Bool = false, metadata: [UInt8] = [], kind: UInt32 = 0, replace: Bool = false
    ) throws(ZincError) -> SharedRegion {
      let options = RegionOptions(
        mode: mode, group: group, isPersistent: isPersistent, reserve: true, replace: replace)
      return unsafe try attach("create", name) { path throws(Failure) in
        try unsafe contents.withUnsafeBytes { (bytes) throws(Failure) in
          try unsafe metadata.span.withUnsafeBytes { (kept) throws(Failure) in
            unsafe try Attachment.create(
              path, capacity: bytes.count, options.keeping(kept, kind).beginning(with: bytes))
          }
        }
      }
    }

    /// Attaches to the living region of this name.
    ///
    /// - Parameters:
    ///   - name: the name that it was created under.
    ///   - isReadonly: a write to the data through this value is a segmentation fault.
    ///   - anyUser: the region may belong to another user.
    ///   - timeout: how long to wait, this thread with it, for somebody to create it; nil waits
    ///     for ever. What is there and can't be opened fails at once.
    ///   - pages: what the pages are to be, for this process. To touch all of a region that has
    ///     reserved none takes all its memory.
    /// - Throws: `ZincError`: `notFound`, `invalidArgument`, `notARegion`,
    ///   `notPermitted`, or as the system says.
    public static func open(
      _ name: String, isReadonly: Bool = false, anyUser: Bool = false, timeout: Duration? = .zero,
      pages: Pages = []
    ) throws(ZincError) -> SharedRegion {
      var options = RegionOptions()
      options.flags = pages.flags
      if isReadonly { options.flags.insert(.readonly) }
      if anyUser { options.flags.insert(.anyUser) }
      let deadline = deadline(timeout)
      return unsafe try attach(deadline == 0 ? "open" : "wait for", name) { path throws(Failure) in
        unsafe try Attachment.open(path, options, awaiting: deadline, isInterruptible: false)
      }
    }

    /// Opens the region of this name, or creates it if there is none. Of several
    /// processes that do this at once one creates, which its `isCreated` tells. Parameters as for
    /// `create` and `open`.
    ///
    /// - Throws: `ZincError`: `alreadyExists` if it exists with another capacity; the
    ///   others of `create` and `open`.
    public static func openOrCreate(
      _ name: String, capacity: Int, mode: UInt32 = 0o600, group: UInt32? = nil,
      isPersistent: Bool = false, reserve: Bool = true, metadata: [UInt8] = [], kind: UInt32 = 0,
      anyUser: Bool = false,
      pages: Pages = []
    ) throws(ZincError) -> SharedRegion {
      var options = RegionOptions(
        mode: mode, group: group, isPersistent: isPersistent, reserve: reserve)
      options.flags.formUnion(pages.flags)
      if anyUser { options.flags.insert(.anyUser) }
      return unsafe try attach("open or create", name) { path throws(Failure) in
        try unsafe metadata.span.withUnsafeBytes { (bytes) throws(Failure) in
          unsafe try Attachment.openOrCreate(path, capacity: capacity, options.keeping(bytes, kind))
        }
      }
    }

    /// Creates a region without a name: it has no entry in /dev/shm and is not bound by
    /// its size, nobody can shrink it, and it is gone with its last descriptor and
    /// mapping. It travels as its `descriptor`, through fork or a Unix socket.
    public static func anonymous(
      capacity: Int, reserve: Bool = true, metadata: [UInt8] = [], kind: UInt32 = 0,
      pages: Pages = []
    ) throws(ZincError) -> SharedRegion {
      var options = RegionOptions(mode: 0o600, isPersistent: false, reserve: reserve)
      options.flags.formUnion(pages.flags)
      return unsafe try attach("create an anonymous region") { () throws(Failure) in
        try unsafe metadata.span.withUnsafeBytes { (bytes) throws(Failure) in
          unsafe try Attachment.createAnonymous(capacity: capacity, options.keeping(bytes, kind))
        }
      }
    }

    /// A region of one byte for the threads of this process; needs nothing that a system forbids.
    static func local() throws(ZincError) -> SharedRegion {
      var options = RegionOptions()
      options.flags = [.local]
      return unsafe try attach("wait") { () throws(Failure) in
        unsafe try Attachment.createAnonymous(capacity: 1, options)
      }
    }

    /// Attaches to an anonymous region by its descriptor, which stays the caller's.
    ///
    /// - Throws: `ZincError`: `notARegion` if it leads to something else.
    public static func open(descriptor: Int32, isReadonly: Bool = false) throws(ZincError)
      -> SharedRegion
    {
      var options = RegionOptions()
      if isReadonly { options.flags.insert(.readonly) }
      return unsafe try attach("open a descriptor") { () throws(Failure) in
        unsafe try Attachment.open(descriptor: descriptor, options)
      }
    }

    /// Removes a region's name at once, whoever is attached; they go on with what they
    /// have, and are told by one notification, after which `isLinked` is false. With `force` also
    /// what is not a region, or a damaged one; with `ifUnused` only if nobody is attached, and
    /// nobody can attach in between.
    ///
    /// - Throws: `ZincError`: `notFound`, `notARegion`, `notPermitted`, `busy` (also if somebody
    ///   is attached, with `ifUnused`), `invalidArgument` for both at once.
    public static func unlink(_ name: String, force: Bool = false, ifUnused: Bool = false)
      throws(ZincError)
    {
      try withPath("unlink", name) { path throws(Failure) in
        guard !force || !ifUnused else { throw RegionName.contradiction }
        try RegionName.unlink(path, force ? .force : ifUnused ? .unused : .always)
      }
    }

    /// Removes this region's name at once, if it still leads to this region; who is attached,
    /// this value too, goes on with what it has, and is told by one notification.
    ///
    /// - Throws: `ZincError`: `notFound` if the name leads elsewhere by now, or there is none.
    public func unlink() throws(ZincError) {
      do throws(Failure) {
        try unsafe handle.pointee.removeName()
      } catch {
        throw unsafe ZincError("unlink", handle.pointee.nameForMessages, error)
      }
    }

    /// Does the name still lead to this region? If not, who opens it comes to another region,
    /// or to none. False for an anonymous region. One system call.
    public var isLinked: Bool { unsafe handle.pointee.isLinked }

    /// Lets the region outlive its last user: without users it stays until so long from now (a
    /// later time that was asked for before stays). Time counts while the machine sleeps; nothing
    /// takes it back but `unlink`.
    ///
    /// - Throws: `ZincError`: `invalidArgument` for an anonymous region or a negative duration,
    ///   `notPermitted` where this user may only read.
    public func keep(_ duration: Duration) throws(ZincError) {
      do throws(Failure) {
        guard duration >= .zero else { throw Failure(EINVAL, "the duration is negative") }
        let (seconds, attoseconds) = duration.components
        let (whole, isTooLong) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (lease, isLonger) = whole.addingReportingOverflow(UInt64(attoseconds / 1_000_000_000))
        try unsafe handle.pointee.keeping().take(lease: isTooLong || isLonger ? .max : lease)
      } catch {
        throw unsafe ZincError("keep", handle.pointee.nameForMessages, error)
      }
    }

    /// Removes every dead region that this user may remove: those whose last user was
    /// killed. Living and persistent ones and other files stay.
    ///
    /// - Returns: their names, and the bytes that each has freed.
    @discardableResult
    public static func reclaim() -> [(name: String, bytes: Int)] {
      var freed: [(name: String, bytes: Int)] = []
      unsafe RegionName.reclaimAll { name, bytes in
        unsafe freed.append((String(cString: name), Int(clamping: bytes)))
      }
      return freed
    }

    /// The name that it was created under; empty for an anonymous region.
    public var name: String { unsafe String(cString: handle.pointee.name) }

    /// An anonymous region's descriptor, which is closed with this value; nil for others.
    public var descriptor: Int32? {
      unsafe handle.pointee.isAnonymous ? descriptors.first : nil
    }

    /// The descriptors that this value keeps open, for code that closes all others, as what
    /// becomes a daemon does; empty if such code has closed them already. Not to be used or
    /// closed: one of them proves that the region is in use.
    public var descriptors: [Int32] {
      (try? unsafe handle.pointee.heldDescriptor()).map { [$0] } ?? []
    }

    /// The size of the data in bytes, exactly as it was created.
    public var capacity: Int { unsafe handle.pointee.capacity }

    /// How many bytes of memory the region really has, its header page among them: of one that
    /// reserved none the pages that were touched.
    ///
    /// - Throws: `ZincError` if code that knows nothing of it has closed its descriptor.
    public var used: Int {
      get throws(ZincError) {
        do throws(Failure) {
          return Int(clamping: try unsafe handle.pointee.used())
        } catch {
          throw unsafe ZincError("look at the memory of", handle.pointee.nameForMessages, error)
        }
      }
    }

    /// Zeroes some bytes of the data, for all who are attached, and gives back the memory of the
    /// whole pages among them. Whoever touches such a page later, to read it either, takes memory
    /// anew: a bus error where there is none.
    ///
    /// - Throws: `ZincError`: `invalidArgument` for bytes that are not there, `notPermitted` if
    ///   `isReadonly`.
    public func trim(_ bytes: Range<Int>) throws(ZincError) {
      do throws(Failure) {
        try unsafe handle.pointee.trim(offset: bytes.lowerBound, count: bytes.count)
      } catch {
        throw unsafe ZincError("trim", handle.pointee.nameForMessages, error)
      }
    }

    /// A random number, given at creation, that tells two regions of one name apart.
    public var id: UInt64 { unsafe handle.pointee.file.id }

    /// What `create` was given to keep. Who may write the region can change it, behind
    /// zinc's back: check what you read.
    public var metadata: [UInt8] { unsafe [UInt8](handle.pointee.metadata) }

    /// What the data is, as `create` was told.
    public var kind: UInt32 { unsafe handle.pointee.file.kind }

    /// The data can't be written through this value.
    public var isReadonly: Bool { unsafe handle.pointee.isReadonly }

    /// What the pages of a region are to be, so that no loop pays for the first touch. For speed
    /// alone: where the system can't do it, `shortfall` says so. Needs memory that is reserved.
    public struct Pages: OptionSet, Sendable {
      public let rawValue: Int
      public init(rawValue: Int) { self.rawValue = rawValue }
      /// Huge ones.
      public static let huge = Pages(rawValue: 1)
      /// Touched in the call, all of them.
      public static let prefaulted = Pages(rawValue: 2)

      var flags: RegionOptions.Flags {
        var flags: RegionOptions.Flags = contains(.huge) ? [.hugepages] : []
        if contains(.prefaulted) { flags.insert(.prefault) }
        return flags
      }
    }

    /// Why the system could not do what `pages` asked for, and what to do about it; nil if it
    /// could, or was not asked.
    public var shortfall: String? {
      let found = unsafe handle.pointee.shortfalls
      let told = [found.hugepages, found.prefault].map(\.description).filter { !$0.isEmpty }
      return told.isEmpty ? nil : told.joined(separator: "; ")
    }

    /// The call that this value is from created the region, and did not find it there: what
    /// `openOrCreate` did.
    public var isCreated: Bool { unsafe handle.pointee.isCreated }

    /// Calls `body` with the data: page-aligned, `capacity` bytes, shared with whoever
    /// is attached. The buffer must not outlive the call.
    public func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
      _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
      try unsafe body(UnsafeRawBufferPointer(start: handle.pointee.data, count: capacity))
    }

    /// As `withUnsafeBytes`, for writing too, unless `isReadonly`. It does not exclude anybody.
    public func withUnsafeMutableBytes<Result: ~Copyable, Failure: Error>(
      _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
      try unsafe body(UnsafeMutableRawBufferPointer(start: handle.pointee.data, count: capacity))
    }

    /// The number of notifications so far, modulo 2³².
    public var sequence: UInt32 { unsafe handle.pointee.notification.sequence }

    /// The sequence that this region value has seen last: what `tryWait` and
    /// `wait(timeout:)` compare with.
    public var seen: UInt32 { unsafe handle.pointee.notification.sequenceSeen }

    /// Says that there is something new, and wakes who waits. Returns the new sequence.
    ///
    /// What this thread wrote before is seen by whoever returns from a wait because of
    /// it. No system call unless somebody may be asleep. No effect, and 0, where the
    /// region's mode lets this user only read.
    @discardableResult
    public func notify() -> UInt32 { unsafe handle.pointee.notification.notify() }

    /// Is there something that this region value has not seen yet? It has, then. Never sleeps.
    public func tryWait() -> Bool { unsafe handle.pointee.notification.tryWait() }

    /// A descriptor that any event loop can poll: readable exactly while `tryWait` would say yes,
    /// which makes it unreadable; nobody need read it. The first call makes it, each further
    /// one returns the same. It is closed with this value; a forked child has one of its own
    /// with the same number. One thread of the process sleeps for all of them.
    ///
    /// - Throws: `ZincError` if the process can have no further descriptor, or no thread.
    public func eventDescriptor() throws(ZincError) -> Int32 {
      do throws(Failure) {
        return try unsafe handle.pointee.notification.eventDescriptor()
      } catch {
        throw unsafe ZincError(
          "make an event descriptor of", handle.pointee.nameForMessages, error)
      }
    }

    /// Waits until there is something that this region value has not seen yet, and
    /// sees it; nil waits for ever. Several notifications may be seen as one, and its
    /// own count too. False if nothing came in time.
    @discardableResult
    public func wait(timeout: Duration? = nil) -> Bool {
      unsafe handle.pointee.notification.wait { SharedRegion.deadline(timeout) } == .notified
    }

    /// Waits until the sequence is not `sequence`, such as `notify` returned it, any
    /// more. Leaves alone what `wait(timeout:)` has seen, so that several threads may
    /// wait on one value, or two processes talk both ways over one region.
    @discardableResult
    public func wait(after sequence: UInt32, timeout: Duration? = nil) -> Bool {
      unsafe handle.pointee.notification.wait(
        past: sequence, deadline: SharedRegion.deadline(timeout)) == .notified
    }

    /// Is nobody else attached: no other value or handle, of this process or another, and no
    /// forked child? However they ended.
    ///
    /// - Throws: `ZincError`: `invalidArgument` for an anonymous region, of whose users there is
    ///   no record; or as the system says.
    public var isAlone: Bool {
      get throws(ZincError) {
        do throws(Failure) {
          return try unsafe Attachment.isAlone(handle)
        } catch {
          throw unsafe ZincError("ask who is attached", handle.pointee.name, error)
        }
      }
    }

    /// Gives the region another name, so that its memory can be used for something else, if nobody
    /// else is attached and no reference to it is under way: is it done? Whoever knows its former
    /// name alone can't attach any more, however far they had come.
    ///
    /// - Throws: `ZincError`: `alreadyExists`, `notFound` if its own name leads elsewhere,
    ///   `invalidArgument` for a name that can't be and for an anonymous region, `notPermitted`
    ///   where this user may only read; or as the system says.
    public mutating func rename(to name: String) throws(ZincError) -> Bool {
      let handle = unsafe handle
      return try SharedRegion.withPath("rename", name) { path throws(Failure) in
        try unsafe Attachment.rename(handle, to: path)
      }
    }

    /// As `wait(timeout:)`; also ends, with false, within 50 ms after the last other user has
    /// gone, however it went. What others said before they went comes first. Who is alone from
    /// the start does not wait. Looks 40 times a second.
    ///
    /// - Throws: as `isAlone`.
    public func waitUntilAlone(timeout: Duration? = nil) throws(ZincError) -> Bool {
      do throws(Failure) {
        return try unsafe Attachment.waitUntilAlone(
          handle, past: nil, [], deadline: SharedRegion.deadline(timeout)) == .notified
      } catch {
        throw unsafe ZincError("wait until alone", handle.pointee.name, error)
      }
    }

    /// Waits until at least one of the regions has something that it has not seen yet;
    /// nil waits for ever. Those that have are seen, and their indices returned; none if
    /// nothing came in time.
    ///
    ///     let cameras: [2 of SharedRegion] = [try .open("left"), try .open("right")]
    ///     for index in SharedRegion.waitAny(cameras.span) { show(cameras[index]) }
    ///
    /// Sleeps in the kernel on 127 regions a thread: beyond that, each sleep starts
    /// further threads.
    public static func waitAny(
      _ regions: borrowing Span<SharedRegion>, timeout: Duration? = nil
    ) -> [Int] {
      wait(for: regions, all: false, timeout) ?? []
    }

    /// Waits until every one of the regions has something that it has not seen yet, and
    /// sees it; nil waits for ever. False, and nothing is seen, if that did not come in
    /// time.
    public static func waitAll(
      _ regions: borrowing Span<SharedRegion>, timeout: Duration? = nil
    ) -> Bool {
      wait(for: regions, all: true, timeout) != nil
    }

    /// The indices of those with news, nil if it timed out.
    private static func wait(
      for regions: borrowing Span<SharedRegion>, all: Bool, _ timeout: Duration?
    ) -> [Int]? {
      var items = unsafe [ZincWaitItem]()
      for i in regions.indices {
        unsafe items.append(ZincWaitItem(handle: regions[i].handle, after: 0, is_new: 0))
      }
      guard unsafe !items.isEmpty else { return [] }
      let result = unsafe items.withUnsafeMutableBufferPointer {
        unsafe WaitSet($0).wait(
          forAll: all, seeing: true, deadline: deadline(timeout))
      }
      guard result == .notified else { return nil }
      return unsafe items.indices.filter { unsafe items[$0].is_new == 1 }
    }

    static func deadline(_ timeout: Duration?) -> UInt64 {
      guard let timeout else { return .max }
      let length = nanoseconds(timeout)
      return length == 0 || length == .max ? length : czinc_monotonic() + length
    }

    /// None is 0, and 292 years and more are for ever.
    static func nanoseconds(_ duration: Duration) -> UInt64 {
      guard duration > .zero else { return 0 }
      let (seconds, attoseconds) = duration.components
      guard seconds < Int64.max / 1_000_000_000 - 1 else { return .max }
      return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }

    static func attach(
      _ operation: StaticString, _ name: String,
      _ body: (borrowing RegionPath) throws(Failure) -> Attachment.Handle
    ) throws(ZincError) -> SharedRegion {
      unsafe SharedRegion(try withPath(operation, name, body))
    }

    /// One without a name; a failure gets the call.
    static func attach(
      _ operation: StaticString, _ body: () throws(Failure) -> Attachment.Handle
    ) throws(ZincError) -> SharedRegion {
      do throws(Failure) {
        return unsafe SharedRegion(try body())
      } catch {
        throw unsafe ZincError(operation, nil, error)
      }
    }

    /// What `body` makes of the region; a failure gets the call and the name.
    func with<Value: ~Copyable>(
      _ operation: StaticString, _ body: (Attachment.Handle) throws(Failure) -> Value
    ) throws(ZincError) -> Value {
      do throws(Failure) {
        return unsafe try body(handle)
      } catch {
        throw unsafe ZincError(operation, handle.pointee.nameForMessages, error)
      }
    }

    /// Calls `body` with the path of `name`; a failure gets the call and the name.
    static func withPath<Value>(
      _ operation: StaticString, _ name: String,
      _ body: (borrowing RegionPath) throws(Failure) -> Value
    ) throws(ZincError) -> Value {
      let result = unsafe name.withCString { cString -> Result<Value, ZincError> in
        do throws(Failure) {
          // A C string would end there, and name another region.
          if name.utf8.contains(0) { throw RegionPath.invalidName }
          return .success(try body(unsafe RegionPath(cString)))
        } catch {
          return unsafe .failure(ZincError(operation, cString, error))
        }
      }
      return try result.get()
    }
  }

  /// Keeps a handle and its mapping until the last who has this is done.
  @safe final class AttachmentMemory: @unchecked Sendable {
    let handle: Attachment.Handle

    init(_ handle: Attachment.Handle) { unsafe self.handle = unsafe handle }

    /// The region value has detached the handle before it gave this up.
    deinit { unsafe Attachment.free(handle) }
  }
#endif
