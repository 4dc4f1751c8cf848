// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CZinc

// zinc.h in terms of the core, what all of its parts share: null handles, and errors as
// numbers with a message.

func attachment(_ handle: ZincHandle?) -> Attachment.Handle? {
  unsafe handle?.assumingMemoryBound(to: Attachment.self)
}

@c @implementation
public func zinc_version() -> UInt32 { UInt32(Header.version) << 16 | 13 }

@c @implementation
public func zinc_error_message() -> UnsafePointer<CChar>? { unsafe UnsafePointer(czinc_message()) }

/// Called as the library is loaded (layout.c). A forked child runs the handlers in this order, so the
/// gate opens at last; those of an exit run in reverse, so ours come after the program's.
@c @used func czinc_when_loaded() {
  _ = czinc_at_exit { AttachedHandles.detachAll() }
  CoreDumps.ask()
  EventDescriptors.register()
  ForkGate.register()
}

/// Calls `body`, whose status it returns; a failure leaves its story in this thread's message.
@inline(__always)
func attempt(
  _ operation: StaticString, _ name: @autoclosure () -> UnsafePointer<CChar>?,
  _ body: () throws(Failure) -> Int32
) -> Int32 {
  do throws(Failure) {
    return try body()
  } catch {
    return unsafe tell(operation, name(), error)
  }
}

/// The same; 0 unless it fails.
@inline(__always)
func report(
  _ operation: StaticString, _ name: @autoclosure () -> UnsafePointer<CChar>?,
  _ body: () throws(Failure) -> Void
) -> Int32 {
  unsafe attempt(operation, name()) { () throws(Failure) -> Int32 in
    try body()
    return 0
  }
}

@inline(never)
private func tell(_ operation: StaticString, _ name: UnsafePointer<CChar>?, _ failure: Failure)
  -> Int32
{
  let buffer = unsafe UnsafeMutableBufferPointer(
    start: czinc_message(), count: Int(CZINC_MESSAGE_SIZE))
  _ = unsafe Message(in: buffer, operation, name, failure)
  return failure.status
}
