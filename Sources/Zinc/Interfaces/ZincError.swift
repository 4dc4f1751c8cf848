// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc

  /// Why a create, open or unlink did not happen.
  public struct ZincError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it was, named after the errno that the C functions return
    /// with a minus sign.
    public struct Code: RawRepresentable, Equatable, Sendable {
      public let rawValue: Int32
      public init(rawValue: Int32) { self.rawValue = rawValue }

      /// EEXIST: a living region has this name.
      public static let alreadyExists = Code(rawValue: EEXIST)
      /// ENOENT: no living region has this name.
      public static let notFound = Code(rawValue: ENOENT)
      /// EINVAL: a name, size or option that can't be.
      public static let invalidArgument = Code(rawValue: EINVAL)
      /// EPERM: the system, or the region's owner or mode, forbids it.
      public static let notPermitted = Code(rawValue: EPERM)
      /// EBADMSG: the object of this name is not a region, or a damaged one.
      public static let notARegion = Code(rawValue: EBADMSG)
      /// ENOSPC: the memory is not there.
      public static let noSpace = Code(rawValue: ENOSPC)
      /// EBUSY: a process stopped in the middle of a change to the name.
      public static let busy = Code(rawValue: EBUSY)
      /// EOWNERDEAD: a lock's holder died with it, and nobody has repaired what it left.
      public static let ownerDied = Code(rawValue: EOWNERDEAD)
      /// EUSERS: all seats of the region are taken.
      public static let noSeat = Code(rawValue: EUSERS)
      /// ENOBUFS: no slot of a channel is free, or a reader holds as many messages as it may.
      public static let noSlot = Code(rawValue: ENOBUFS)
      /// EMSGSIZE: more bytes than a message of the channel may have.
      public static let tooLong = Code(rawValue: EMSGSIZE)
      /// EPIPE: a barrier is broken.
      public static let broken = Code(rawValue: EPIPE)
      /// EPIPE: a queue is closed, and takes no more messages.
      public static let closed = Code(rawValue: EPIPE)
    }

    public let code: Code
    /// The call, the region, the cause, and what to do.
    public let description: String

    init(_ operation: StaticString, _ name: UnsafePointer<CChar>?, _ failure: Failure) {
      code = Code(rawValue: -failure.status)
      description = unsafe String(
        unsafeUninitializedCapacity: Int(CZINC_MESSAGE_SIZE)
      ) { buffer in
        unsafe buffer.withMemoryRebound(to: CChar.self) {
          unsafe Message(in: $0, operation, name, failure).length
        }
      }
    }
  }
#endif
