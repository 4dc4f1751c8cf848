import ArgumentParser
import Foundation
import Place
import Zinc

/// The Swift half of `make demo`. Each step is a line of JSON on standard output.
@main
struct Demo: ParsableCommand {
  @Argument(help: "The name of the region to create.") var name: String
  @Argument(help: "The file to put into it.") var file: String

  struct Filled: Encodable {
    /// When notify was called: CLOCK_MONOTONIC, ns.
    let notified: UInt64
    /// How long it took to read the file into the region, ns.
    let reading: UInt64
  }

  struct Summed: Encodable {
    let sum: Double
    /// When wait returned: CLOCK_MONOTONIC, ns.
    let woken: UInt64
  }

  func run() throws {
    let input = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
    let size = try input.seekToEnd()
    try input.seek(toOffset: 0)

    // The reader attaches when it reads this line, and says so with a notification.
    let region = try SharedRegion.create(name, capacity: Int(size))
    try report(region.withUnsafeBytes { try Place(of: $0) })
    guard region.wait(after: 0, timeout: .seconds(60)) else { throw ExitCode.failure }

    let start = monotonicNanoseconds()
    try region.withUnsafeMutableBytes { try fill($0, from: input.fileDescriptor) }
    let end = monotonicNanoseconds()
    let sequence = region.notify()
    try report(Filled(notified: end, reading: end - start))

    guard region.wait(after: sequence, timeout: .seconds(60)) else { throw ExitCode.failure }
    let woken = monotonicNanoseconds()
    let sum = region.withUnsafeBytes { bytes in
      let count = bytes.count / MemoryLayout<Float>.size
      return (0..<count).reduce(0.0) {
        $0 + Double(bytes.load(fromByteOffset: $1 * MemoryLayout<Float>.size, as: Float.self))
      }
    }
    try report(Summed(sum: sum, woken: woken))
  }

  /// Reads the file straight into the region: its bytes are copied once, by the kernel.
  private func fill(_ bytes: UnsafeMutableRawBufferPointer, from descriptor: Int32) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = read(
        descriptor, UnsafeMutableRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      guard count > 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
      rest = rest.dropFirst(count)
    }
  }
}
