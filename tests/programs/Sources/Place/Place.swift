import Foundation

/// Where an address of this process leads to, as the kernel tells in /proc/self/maps.
public struct Place: Codable {
  public var pid = getpid()
  /// The address asked about, and that of the mapping's first byte.
  public var data: UInt
  public var mapping: UInt
  public var device: String
  public var inode: UInt64
  /// Bytes of data.
  public var size: Int

  public init(of buffer: UnsafeRawBufferPointer) throws {
    let address = UInt(bitPattern: buffer.baseAddress)
    // Not String(contentsOfFile:), which fails now and then on files of /proc.
    let maps = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/maps")).readToEnd()
    for line in String(decoding: maps ?? Data(), as: UTF8.self).split(separator: "\n") {
      // 7f1c2a400000-7f1c2a402000 rw-s 00000000 00:17 42    /dev/shm/zinc_frames
      let fields = line.split(separator: " ", omittingEmptySubsequences: true)
      let range = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
      guard range.count == 2, range[0] <= address, address < range[1] else { continue }
      data = address
      // The mapping of the file's first page; a part with other rights has a line of its own.
      mapping = range[0] - (UInt(fields[2], radix: 16) ?? 0)
      device = String(fields[3])
      inode = UInt64(fields[4]) ?? 0
      size = buffer.count
      return
    }
    throw CocoaError(.fileReadUnknown)
  }
}

/// Prints a value as one line of JSON, at once.
public func report(_ value: some Encodable) throws {
  try FileHandle.standardOutput.write(contentsOf: JSONEncoder().encode(value) + Data("\n".utf8))
}

/// CLOCK_MONOTONIC in nanoseconds: the same clock in every process.
public func monotonicNanoseconds() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
