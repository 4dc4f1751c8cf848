internal import CZinc

// The seat of a handle (see `Seats`): taken at the first use of a lock, or what else needs one.
extension Attachment {
  /// Who this handle is to others, once it sits; `sit` where that is nobody.
  @inline(__always)
  static func identity(_ handle: Handle) -> SeatIdentity { unsafe handle.pointee.seat.identity }

  /// Takes a seat for locks, unless it sits. Of what is left on it nothing needs to be cleaned; of
  /// channels, who only uses a lock there knows nothing.
  static func sit(_ handle: Handle) throws(Failure) -> SeatIdentity {
    let isChannel = unsafe handle.pointee.file.kind == Header.channelKind
    return unsafe try sit(handle, as: .locks) { _ in !isChannel }
  }

  /// Takes a seat, unless it sits. EACCES for who may only read the region, EUSERS if all are
  /// taken, EINVAL for one in no file, whose users nobody could prove dead, or that is detached.
  ///
  /// `clean` takes away what a dead one has left on a seat, and may say that it can't yet.
  @inline(never)
  static func sit(_ handle: Handle, as role: SeatTable.Role, _ clean: (Int) -> Bool)
    throws(Failure) -> SeatIdentity
  {
    try AttachedHandles.locked { () throws(Failure) -> SeatIdentity in
      let now = unsafe identity(handle)
      if now != .nobody { return now }
      guard unsafe handle.pointee.notification.canNotify else {
        throw Failure(
          EACCES, "this user may only read the region, and who takes part has to write there")
      }
      return unsafe try handle.pointee.takeSeat(role, clean)
    }
  }

  private mutating func takeSeat(_ role: SeatTable.Role, _ clean: (Int) -> Bool) throws(Failure)
    -> SeatIdentity
  {
    _ = try heldDescriptor()
    let own: Descriptor
    switch descriptor {
    case .some(let held): own = try description(insteadOf: held)
    case .none: throw Failure(EINVAL, "the region is closed, or has no descriptor")
    }
    return try seat.sit(header.seats, own, role, clean)
  }

  /// EBADF if code that knows nothing of the seat has closed its descriptor: to others, whoever sits
  /// there has died, and the number may lead to a file where nobody has a lock.
  private func checkSeat() throws(Failure) {
    let file = file
    guard seat.keeps(isOurs: { held in (try? held.status()).map(file.isIn) ?? false }) else {
      throw closedBehind
    }
  }

  /// Takes the role from all who were killed on their seats; how many. Who does not sit does it through
  /// a description of its own; who may only read, not at all.
  static func sweepSeats(_ handle: Handle) throws(Failure) -> Int {
    let isChannel = unsafe handle.pointee.file.kind == Header.channelKind
    return unsafe try sweepSeats(handle) { _ in !isChannel }
  }

  static func sweepSeats(_ handle: Handle, _ clean: (Int) -> Bool) throws(Failure) -> Int {
    try AttachedHandles.locked { () throws(Failure) in
      guard unsafe identity(handle) != .nobody else {
        return try unsafe handle.pointee.sweepFromOutside(clean)
      }
      try unsafe handle.pointee.checkSeat()
      return try unsafe handle.pointee.seat.sweep(handle.pointee.header.seats, clean)
    }
  }

  private func sweepFromOutside(_ clean: (Int) -> Bool) throws(Failure) -> Int {
    switch descriptor {
    case .some(let held) where notification.canNotify:
      _ = try heldDescriptor()
      return try header.seats.sweep(description(insteadOf: held), except: -1, clean)
    default: return 0  // Closed meanwhile, too.
    }
  }

  /// Gets up. If `clean` says that something is left on the seat, that is a dead one's then.
  static func leave(_ handle: Handle, _ clean: () -> Bool) {
    AttachedHandles.locked {
      let identity = unsafe identity(handle)
      guard identity != .nobody, (try? unsafe handle.pointee.checkSeat()) != nil else { return }
      if clean() { unsafe handle.pointee.header.seats.clear(identity.seat) }
      unsafe handle.pointee.leaveSeat()
    }
  }

  /// Does somebody who lives sit there, for all that is known? For who holds another's seat while
  /// it cleans.
  static func isTaken(_ seat: Int, _ handle: Handle) -> Bool {
    guard (try? unsafe handle.pointee.heldDescriptor()) != nil else { return true }
    return switch unsafe handle.pointee.descriptor {
    case .some(let held):
      (try? unsafe handle.pointee.header.seats.isTaken(seat, held)) ?? true
    case .none: true
    }
  }

  /// Tells of each seat on which somebody sits, or did when it was killed.
  static func visitSeats(_ handle: Handle, _ tell: (ZincSeat) -> Void) throws(Failure) {
    try AttachedHandles.locked { () throws(Failure) in
      _ = try unsafe handle.pointee.heldDescriptor()
      switch unsafe handle.pointee.descriptor {
      case .some(let held): try unsafe handle.pointee.header.seats.visit(held, tell)
      case .none: break
      }
    }
  }

  /// Is whoever this is still there?
  static func fate(of identity: SeatIdentity, _ handle: Handle) throws(Failure) -> SeatTable.Fate {
    try AttachedHandles.locked { () throws(Failure) -> SeatTable.Fate in
      if unsafe self.identity(handle) != .nobody { try unsafe handle.pointee.checkSeat() }
      return try unsafe handle.pointee.askFate(of: identity)
    }
  }

  private func askFate(of identity: SeatIdentity) throws(Failure) -> SeatTable.Fate {
    switch descriptor {
    case .some(let held):
      _ = try heldDescriptor()  // A stranger's file has no locks, and all would be dead.
      return try header.seats.fate(of: identity, held)
    case .none: return .alive  // Detached meanwhile, which ends the wait.
    }
  }
}
