// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CZinc

// The part of zinc.h that is about notifications: deadlines and results as numbers.

@_optimize(speed)
@c @implementation
public func zinc_notify(_ handle: ZincHandle?) {
  if let handle = unsafe attachment(handle) { _ = unsafe handle.pointee.notification.notify() }
}

@_optimize(speed)
@c @implementation
public func zinc_wait(_ handle: ZincHandle?, _ timeout: UInt32) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe handle.pointee.notification.wait {
    switch timeout {
    case 0: 0
    case .max: .max
    default: czinc_monotonic() + UInt64(timeout) * 1_000_000
    }
  }.rawValue
}

@_optimize(speed)
@c @implementation
public func zinc_try_wait(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe handle.pointee.notification.tryWait() ? 0 : -EAGAIN
}

@c @implementation
public func zinc_region_sequence(_ handle: ZincHandle?) -> UInt32 {
  guard let handle = unsafe attachment(handle) else { return 0 }
  return unsafe handle.pointee.notification.sequence
}

@c @implementation
public func zinc_region_seen(_ handle: ZincHandle?) -> UInt32 {
  guard let handle = unsafe attachment(handle) else { return 0 }
  return unsafe handle.pointee.notification.sequenceSeen
}

@c @implementation
public func zinc_region_event_descriptor(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  var descriptor: Int32 = -1
  let name = unsafe handle.pointee.nameForMessages
  let status = unsafe report("make an event descriptor of", name) { () throws(Failure) in
    descriptor = try unsafe handle.pointee.notification.eventDescriptor()
  }
  return status < 0 ? status : descriptor
}

@_optimize(speed)
@c @implementation
public func zinc_region_notify(
  _ handle: ZincHandle?, _ sequence: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  guard unsafe handle.pointee.notification.canNotify else { return -EPERM }
  let now = unsafe handle.pointee.notification.notify()
  unsafe sequence?.pointee = now
  return 0
}

@_optimize(speed)
@c @implementation
public func zinc_region_wait(_ handle: ZincHandle?, _ options: UnsafePointer<ZincWaitOptions>?)
  -> Int32
{
  guard let handle = unsafe attachment(handle), let options = unsafe valid(options) else {
    return -EINVAL
  }
  let how = Notification.WaitOptions(rawValue: options.flags)
  if how.contains(.untilAlone) { return unsafe waitUntilAlone(handle, options, how) }
  let result =
    options.flags & UInt32(ZINC_WAIT_AFTER) != 0
    ? unsafe handle.pointee.notification.wait(
      past: options.after, how, deadline: options.deadline_ns)
    : unsafe handle.pointee.notification.wait(how) { options.deadline_ns }
  return result.rawValue
}

private func waitUntilAlone(
  _ handle: Attachment.Handle, _ options: ZincWaitOptions, _ how: Notification.WaitOptions
) -> Int32 {
  let after = options.flags & UInt32(ZINC_WAIT_AFTER) != 0 ? options.after : nil
  var result: Notification.WaitResult?
  let status = unsafe report("wait until alone", handle.pointee.name) { () throws(Failure) in
    result = try unsafe Attachment.waitUntilAlone(
      handle, past: after, how, deadline: options.deadline_ns)
  }
  return status < 0 ? status : result?.rawValue ?? -EPIPE
}

@c @implementation
public func zinc_wait_any(
  _ items: UnsafeMutablePointer<ZincWaitItem>?, _ count: UInt,
  _ options: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe waitForMany(items, count, options, forAll: false)
}

@c @implementation
public func zinc_wait_all(
  _ items: UnsafeMutablePointer<ZincWaitItem>?, _ count: UInt,
  _ options: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe waitForMany(items, count, options, forAll: true)
}

func valid(_ options: UnsafePointer<ZincWaitOptions>?) -> ZincWaitOptions? {
  guard let options = unsafe options?.pointee,
    options.size >= MemoryLayout<ZincWaitOptions>.size,
    options.flags & ~UInt32(2 * ZINC_WAIT_UNTIL_ALONE - 1) == 0
  else { return nil }
  return options
}

private func waitForMany(
  _ items: UnsafeMutablePointer<ZincWaitItem>?, _ count: UInt,
  _ options: UnsafePointer<ZincWaitOptions>?, forAll: Bool
) -> Int32 {
  guard let options = unsafe valid(options), unsafe items != nil, count > 0,
    options.flags & UInt32(ZINC_WAIT_UNTIL_ALONE) == 0,
    let count = Int(exactly: count)
  else { return -EINVAL }
  let items = unsafe UnsafeMutableBufferPointer(start: items, count: count)
  for i in 0..<count where unsafe items[i].handle == nil { return -EINVAL }
  let result = unsafe WaitSet(items).wait(
    forAll: forAll, seeing: options.flags & UInt32(ZINC_WAIT_AFTER) == 0,
    Notification.WaitOptions(rawValue: options.flags), deadline: options.deadline_ns)
  return result.rawValue
}
