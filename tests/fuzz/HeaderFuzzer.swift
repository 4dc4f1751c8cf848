// swift-format-ignore-file: AlwaysUseLowerCamelCase

// What zinc makes of a region's file that somebody else wrote, for libFuzzer: `make fuzz`.
// Compiled together with the core, which is what is watched for coverage.

import CZinc
import Glibc

private let page = sysconf(Int32(_SC_PAGESIZE))
private let name = "fuzz-\(getpid())"
private let path = "/dev/shm/zinc_\(name)"

/// The first two bytes say how large the file is, the third what of a whole header there is
/// before the others are written over it.
@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>, _ size: Int) -> Int32 {
  guard size >= 3 else { return 0 }
  let length = unsafe Int(data[0]) << 8 | Int(data[1])
  var start = czinc_header()
  start.magic = Header.magic
  start.version = Header.version
  start.capacity = UInt64(max(0, length - page))
  start.data_offset = UInt64(page)
  var file = [UInt8](repeating: 0, count: length)
  if unsafe data[2] & 1 == 0 {
    unsafe withUnsafeBytes(of: &start) {
      for i in 0..<min(length, $0.count) { unsafe file[i] = $0[i] }
    }
  }
  // With an even number the rest begins behind what is proved at once.
  let first = unsafe data[2] & 2 == 0 ? 16 : 0
  for i in 3..<size where first + i - 3 < length { unsafe file[first + i - 3] = data[i] }

  let descriptor = unsafe Glibc.open(path, O_CREAT | O_RDWR | O_TRUNC, 0o600)
  precondition(descriptor >= 0)
  let written = unsafe Glibc.write(descriptor, file, file.count)
  precondition(written == file.count)
  Glibc.close(descriptor)

  var info = ZincRegionInfo()
  info.size = UInt(MemoryLayout<ZincRegionInfo>.size)
  if unsafe zinc_region_examine(name, &info) == 0 { check(info, length) }
  var handle: ZincHandle?
  let status = unsafe zinc_open(name, &handle)
  precondition(unsafe (status == 0) == (handle != nil))
  if let handle = unsafe handle {
    precondition(unsafe zinc_capacity(handle) == UInt(info.capacity))
    var count: UInt = 0
    let metadata = unsafe zinc_region_metadata(handle, &count)
    var sum = 0
    for i in 0..<Int(count) { unsafe sum += Int(metadata!.load(fromByteOffset: i, as: UInt8.self)) }
    precondition(sum <= 2048 * 255)
    unsafe zinc_ptr(handle)![Int(info.capacity) - 1] = 1
    _ = unsafe zinc_notify(handle)
    unsafe zinc_close(handle)
  }
  unsafe zinc_reclaim(nil, nil)
  unsafe unlink(path)
  return 0
}

private func check(_ info: ZincRegionInfo, _ length: Int) {
  precondition(info.capacity > 0 && info.data_offset >= page)
  precondition(info.capacity + info.data_offset == UInt64(length))
  precondition(info.metadata_length <= 2048)
}
