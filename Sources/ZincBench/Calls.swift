// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CZinc
internal import CZincBench

// Calls that meet nobody.

@c @implementation
public func zincbench_notify(_ handle: UnsafeMutableRawPointer!, _ calls: UInt64) {
  for _ in 0..<calls { unsafe zinc_notify(handle) }
}

@c @implementation
public func zincbench_try_wait(_ handle: UnsafeMutableRawPointer!, _ calls: UInt64) {
  for _ in 0..<calls { _ = unsafe zinc_try_wait(handle) }
}

@c @implementation
public func zincbench_clock(_ calls: UInt64) {
  for _ in 0..<calls { _ = zincbench_now() }
}

@c @implementation
public func zincbench_hot_path(
  _ handle: UnsafeMutableRawPointer!, _ calls: UInt64, _ faults: UInt64
) -> UInt64 {
  let before = zincbench_allocations()
  zincbench_mark()
  for _ in 0..<calls {
    _ = unsafe zinc_ptr(handle)
    _ = unsafe zinc_capacity(handle)
    unsafe zinc_notify(handle)
    _ = unsafe zinc_wait(handle, .max)
    _ = unsafe zinc_lock_acquire(handle, .max, nil)
    _ = unsafe zinc_lock_release(handle, .max)
  }
  for _ in 0..<faults { zincbench_fault() }
  zincbench_mark()
  return zincbench_allocations() - before
}

@c @implementation
public func zincbench_hot_path_of_messages(
  _ writer: UnsafeMutableRawPointer!, _ reader: UnsafeMutableRawPointer!, _ calls: UInt64,
  _ faults: UInt64
) -> UInt64 {
  let (there, back) = unsafe (Messages(writer), Messages(reader))
  let before = zincbench_allocations()
  zincbench_mark()
  for number in 0..<calls {
    there.send(number, 8)
    _ = back.receive(8)
  }
  for _ in 0..<faults { zincbench_fault() }
  zincbench_mark()
  return zincbench_allocations() - before
}
