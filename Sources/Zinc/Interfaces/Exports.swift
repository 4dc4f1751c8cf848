// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CZinc

// zinc.h in terms of the core, what all of its parts share: null handles, and errors as
// numbers with a message.

func attachment(_ handle: ZincHandle?) -> Attachment.Handle? {
  unsafe handle?.assumingMemoryBound(to: Attachment.self)
}

@c @implementation
public func zinc_version() -> UInt32 { UInt32(Header.version) << 16 | 7 }

@c @implementation
public func zinc_error_message() -> UnsafePointer<CChar>? { unsafe UnsafePointer(czinc_message()) }

/// Calls `body`; a failure leaves its story in this thread's message.
func report(
  _ operation: StaticString, _ name: UnsafePointer<CChar>?, _ body: () throws(Failure) -> Void
) -> Int32 {
  do throws(Failure) {
    try body()
    return 0
  } catch {
    let buffer = unsafe UnsafeMutableBufferPointer(
      start: czinc_message(), count: Int(CZINC_MESSAGE_SIZE))
    _ = unsafe Message(in: buffer, operation, name, error)
    return error.status
  }
}
