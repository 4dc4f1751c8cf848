internal import CZinc

/// Puts an error's message together in a buffer, without allocating:
/// `create "frames": already exists, …`. Ends with a NUL, cut if it must be.
@safe struct Message {
  /// More of a name than this is not shown.
  private static let longestName = 250

  private let buffer: UnsafeMutableBufferPointer<CChar>
  private(set) var length = 0

  /// The message of `failure`, which happened in `operation` on the region called
  /// `name`; no name, no region: an anonymous one.
  init(
    in buffer: UnsafeMutableBufferPointer<CChar>, _ operation: StaticString,
    _ name: UnsafePointer<CChar>?, _ failure: Failure
  ) {
    unsafe self.buffer = unsafe buffer
    unsafe append(cString: operation.cString)
    if let name = unsafe name {
      append(" \"")
      unsafe append(name: name)
      append("\"")
    }
    append(": ")
    unsafe append(cString: failure.text, failure.figures)
    if let call = unsafe failure.call {
      append(" (")
      unsafe append(cString: call)
      append(": ")
      var scratch = InlineArray<128, CChar>(repeating: 0)
      var span = scratch.mutableSpan
      unsafe span.withUnsafeMutableBufferPointer {
        if let base = $0.baseAddress {
          unsafe append(cString: czinc_describe(failure.code, base, UInt($0.count)))
        }
      }
      append(")")
    }
    unsafe buffer[length] = 0
  }

  private mutating func append(_ byte: UInt8) {
    guard unsafe length < buffer.count - 1 else { return }
    unsafe buffer[length] = CChar(bitPattern: byte)
    length += 1
  }

  private mutating func append(_ text: StaticString) { unsafe append(cString: text.cString) }

  /// Each `%` stands for the next figure, if there are any.
  private mutating func append(
    cString text: UnsafePointer<CChar>, _ figures: (UInt64, UInt64, UInt64)? = nil
  ) {
    var figures = figures
    var next = unsafe text
    while unsafe next.pointee != 0 {
      let byte = unsafe UInt8(bitPattern: next.pointee)
      if byte == UInt8(ascii: "%"), let (first, second, third) = figures {
        append(decimal: first)
        figures = (second, third, 0)
      } else {
        append(byte)
      }
      unsafe next += 1
    }
  }

  /// A name may be anything that a caller passed: what is not printable ASCII
  /// shows as `?`, and the end of a long one as `...`.
  private mutating func append(name: UnsafePointer<CChar>) {
    var next = unsafe name
    for _ in 0...Message.longestName {
      let byte = unsafe UInt8(bitPattern: next.pointee)
      if byte == 0 { return }
      append((0x20...0x7E).contains(byte) && byte != UInt8(ascii: "\"") ? byte : UInt8(ascii: "?"))
      unsafe next += 1
    }
    append("...")
  }

  private mutating func append(decimal value: UInt64) {
    var divisor: UInt64 = 1
    while value / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
      divisor /= 10
    }
  }
}
