// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CZinc

// The part of zinc.h that is about queues.

private func worker(_ worker: ZincWorker?) -> QueueWorker.Pointer? {
  unsafe worker?.assumingMemoryBound(to: QueueWorker.self)
}

@c @implementation
public func zinc_worker_begin(_ handle: ZincHandle?, _ out: UnsafeMutablePointer<ZincWorker?>?)
  -> Int32
{
  unsafe begin("work for", handle, out) { handle throws(Failure) in
    unsafe try QueueWorker.make(handle)
  }
}

@c @implementation
public func zinc_worker_end(_ handle: ZincWorker?) {
  if let worker = unsafe worker(handle) { unsafe QueueWorker.free(worker) }
}

@_optimize(speed)
@c @implementation
public func zinc_worker_take(
  _ handle: ZincWorker?, _ task: UnsafeMutablePointer<ZincTask>?,
  _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  guard let worker = unsafe worker(handle), let task = unsafe task else { return -EINVAL }
  return unsafe attempt("take a message of", worker.pointee.end.handle.pointee.nameForMessages) {
    () throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    if case .task(let found) = unsafe try worker.pointee.take() {
      unsafe fill(task, found, worker)
      return 0
    }
    var found: QueueWorker.Task?
    let result = unsafe try QueueWorker.take(worker, how, deadline: deadline, &found)
    if let found { unsafe fill(task, found, worker) }
    return result
  }
}

@inline(__always)
private func fill(
  _ task: UnsafeMutablePointer<ZincTask>, _ found: QueueWorker.Task, _ worker: QueueWorker.Pointer
) {
  let (head, data) = unsafe worker.pointee.end.memory.look(at: found.slot, found.claim.number)
  unsafe task.pointee.data = unsafe data
  unsafe task.pointee.head = head
  unsafe task.pointee.slot = UInt32(truncatingIfNeeded: found.slot)
  unsafe task.pointee.worker = found.owner.bits
  unsafe task.pointee.redelivered = UInt32(truncatingIfNeeded: found.claim.times)
}

@c @implementation
public func zinc_worker_wait(_ handle: ZincWorker?, _ wait: UnsafePointer<ZincWaitOptions>?)
  -> Int32
{
  guard let worker = unsafe worker(handle) else { return -EINVAL }
  return unsafe attempt(
    "wait for messages of", worker.pointee.end.handle.pointee.nameForMessages
  ) { () throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try worker.pointee.wait(how, deadline: deadline)
  }
}

/// EINVAL unless `body` has found the task to be the worker's.
@inline(__always)
private func end(
  _ operation: StaticString, _ handle: ZincWorker?, _ task: UnsafePointer<ZincTask>?,
  _ body: (QueueWorker.Pointer, QueueWorker.Reference) -> Bool
) -> Int32 {
  guard let worker = unsafe worker(handle), let task = unsafe task else { return -EINVAL }
  let reference = QueueWorker.Reference(
    slot: unsafe Int(task.pointee.slot), number: unsafe task.pointee.head.number,
    owner: SeatIdentity(bits: unsafe task.pointee.worker))
  if unsafe body(worker, reference) { return 0 }
  return unsafe report(operation, worker.pointee.end.handle.pointee.nameForMessages) {
    () throws(Failure) in
    throw Failure(
      EINVAL, "this worker does not have message %, or not any more", reference.number)
  }
}

@_optimize(speed)
@c @implementation
public func zinc_worker_done(_ handle: ZincWorker?, _ task: UnsafePointer<ZincTask>?) -> Int32 {
  unsafe end("be done with a message of", handle, task) { unsafe $0.pointee.done($1) }
}

@_optimize(speed)
@c @implementation
public func zinc_worker_finish(_ handle: ZincWorker?, _ task: UnsafePointer<ZincTask>?) -> Int32 {
  unsafe end("finish a message of", handle, task) { unsafe $0.pointee.finish($1) }
}

@_optimize(speed)
@c @implementation
public func zinc_worker_release(_ handle: ZincWorker?, _ task: UnsafePointer<ZincTask>?) -> Int32 {
  unsafe end("release a message of", handle, task) { unsafe $0.pointee.release($1) }
}

@c @implementation
public func zinc_worker_give_back(_ handle: ZincWorker?, _ task: UnsafePointer<ZincTask>?) -> Int32
{
  unsafe end("give a message back to", handle, task) { unsafe $0.pointee.giveBack($1) }
}

@c @implementation
public func zinc_queue_examine(_ handle: ZincHandle?, _ info: UnsafeMutablePointer<ZincQueueInfo>?)
  -> Int32
{
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report("look at the queue", handle.pointee.nameForMessages) {
    () throws(Failure) in
    unsafe try fill(info, try ChannelMemory(of: handle))
  }
}

private func fill(_ info: UnsafeMutablePointer<ZincQueueInfo>?, _ memory: ChannelMemory)
  throws(Failure)
{
  guard let info = unsafe info, unsafe info.pointee.size >= MemoryLayout<ZincQueueInfo>.size
  else { throw Failure(EINVAL, "info is null, or info.size is not sizeof(ZincQueueInfo)") }
  try memory.checkShared()
  let (waiting, held, left) = memory.count()
  unsafe info.pointee.waiting = waiting
  unsafe info.pointee.held = held
  unsafe info.pointee.left = left
  unsafe info.pointee.is_closed = memory.isClosed ? 1 : 0
}

@c @implementation
public func zinc_queue_examine_name(
  _ name: UnsafePointer<CChar>?, _ info: UnsafeMutablePointer<ZincQueueInfo>?,
  _ tell: TellOfUser?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  unsafe examine("look at the queue", name, tell, context) { (memory) throws(Failure) in
    unsafe try fill(info, memory)
  }
}

@c @implementation
public func zinc_queue_find(
  _ handle: ZincHandle?, _ number: UInt64, _ state: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  guard let handle = unsafe attachment(handle), let state = unsafe state else { return -EINVAL }
  return unsafe report("find a message of", handle.pointee.nameForMessages) {
    () throws(Failure) in
    unsafe state.pointee = unsafe try Attachment.find(number, handle)
  }
}

@c @implementation
public func zinc_queue_close(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report("close the queue", handle.pointee.nameForMessages) {
    () throws(Failure) in
    unsafe try Attachment.closeQueue(handle)
  }
}

@c @implementation
public func zinc_queue_join(_ handle: ZincHandle?, _ wait: UnsafePointer<ZincWaitOptions>?) -> Int32
{
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe attempt("wait until all is done of", handle.pointee.nameForMessages) {
    () throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try Attachment.waitUntilDone(handle, how, deadline: deadline)
  }
}
