// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CZincBench

// The loops that read and write memory, the same for all that is compared.

private let block = MemoryLayout<SIMD8<UInt64>>.size

@c @implementation
public func zincbench_read(_ memory: UnsafeRawPointer!, _ size: UInt64) -> UInt64 {
  var sums = SIMD8<UInt64>()
  var offset = 0
  while offset < Int(size) {
    unsafe sums &+= memory.load(fromByteOffset: offset, as: SIMD8<UInt64>.self)
    offset += block
  }
  return sums.wrappedSum()
}

@c @implementation
public func zincbench_write(_ memory: UnsafeMutableRawPointer!, _ size: UInt64, _ value: UInt64) {
  let values = SIMD8(repeating: value)
  var offset = 0
  while offset < Int(size) {
    unsafe memory.storeBytes(of: values, toByteOffset: offset, as: SIMD8<UInt64>.self)
    offset += block
  }
}

@c @implementation
public func zincbench_read_pages(_ memory: UnsafeRawPointer!, _ size: UInt64) -> UInt64 {
  let pages = size / 4096
  var sum: UInt64 = 0
  // A linear congruential generator with a period of a power of two passes every number below
  // it once (Hull and Dobell: an odd increment, a multiplier that is 1 modulo 4).
  var mask: UInt64 = 1
  while mask < pages { mask = mask << 1 }
  mask -= 1
  var page: UInt64 = 0
  for _ in 0...mask {
    page = (page &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407) & mask
    if page < pages {
      sum &+= unsafe memory.load(fromByteOffset: Int(page) * 4096, as: UInt64.self)
    }
  }
  return sum
}
