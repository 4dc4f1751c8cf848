import Foundation
import Synchronization
import Testing
import Zinc

extension SharedQueue.Task {
  /// All its numbers are its own, whose tag is the first of them: nobody has torn it.
  fileprivate var isWhole: Bool {
    let numbers = span(of: UInt64.self)
    for i in numbers.indices where numbers[i] != tag { return false }
    return true
  }
}

extension SharedQueue {
  fileprivate func put(_ value: UInt64) throws(ZincError) {
    var loan = try loan(tag: value)
    do {
      var numbers = loan.mutableSpan(of: UInt64.self)
      for i in numbers.indices { numbers[i] = value }
    }
    try loan.publish()
  }
}

extension SharedQueue.Worker {
  /// The tag of the next message, which is done at once.
  fileprivate func next() throws(ZincError) -> UInt64? {
    guard let task = try tryTake() else { return nil }
    let tag = task.tag
    try task.done()
    return tag
  }
}

private func error(_ body: () throws -> Void) -> ZincError? {
  do {
    try body()
    return nil
  } catch {
    return error as? ZincError
  }
}

private struct Failed: Error {}

/// What the Swift interface of queues does.
@Suite(.timeLimit(.minutes(1))) struct QueueTests {
  @Test func eachMessageGoesToOneWorker() throws {
    let name = uniqueName()
    let queue = try SharedQueue.create(name, capacity: 5, slotSize: 80)
    #expect(queue.capacity == 5 && queue.slotSize == 80 && queue.views == 8)
    #expect(queue.isCreated && queue.isLinked && queue.redelivers && queue.name == name)
    let one = try queue.worker()
    let other = try SharedQueue.open(name).worker()
    for i in 1...5 { try queue.put(UInt64(i)) }
    // Exactly so many wait.
    let number = try queue.send([6].span, timeout: .zero)
    let late = try queue.send([6].span, timeout: .milliseconds(2))
    #expect(number == nil && late == nil)
    let first = try one.take()!
    #expect(first.tag == 1 && first.number == 1 && first.redelivered == 0)
    #expect(first.isWhole && first.bytes.byteCount == 80 && first.time > 0)
    var tags: [UInt64] = []
    while let tag = try other.next() { tags.append(tag) }
    #expect(tags == [2, 3, 4, 5])
    let isDone = try queue.join(timeout: .milliseconds(2))
    #expect(!isDone)
    try first.done()
    try queue.join()
    // Its bytes stay.
    for i in 10..<(30 as UInt64) {
      try queue.put(i)
      let tag = try other.next()
      #expect(tag == i)
    }
    #expect(first.isWhole && error { try first.done() }?.code == .invalidArgument)
    let isNone = try one.take(timeout: .milliseconds(2)) == nil
    #expect(isNone && !one.isClosed)
  }

  @Test func whatIsNotDoneGoesToOthers() throws {
    let queue = try SharedQueue.create(uniqueName(), capacity: 4, slotSize: 8)
    let one = try queue.worker()
    let other = try queue.worker()
    func fail() throws {
      let task = try one.take()!
      #expect(task.isWhole == true)
      throw Failed()
    }
    try queue.put(7)
    #expect(throws: Failed.self) { try fail() }
    // Others come first, and the one that failed gets it where there are none.
    let isTaken = try one.tryTake() != nil
    #expect(!isTaken)
    let task = try other.take()!
    #expect(task.tag == 7 && task.number == 1 && task.redelivered == 1)
    task.giveBack()
    let again = try one.take()!
    #expect(again.tag == 7 && again.redelivered == 2)
    try again.done()
    try queue.join()
  }

  @Test func whatIsDoneAtMostOnceIsGoneWhenItIsGivenBack() throws {
    let queue = try SharedQueue.create(uniqueName(), capacity: 4, slotSize: 8, redeliver: false)
    let worker = try queue.worker()
    #expect(queue.redelivers == false)
    try queue.put(1)
    let task = try worker.take()!
    task.giveBack()
    try queue.join()
    let isTaken = try worker.tryTake() != nil
    #expect(!isTaken)
  }

  @Test func taskLastsLongerThanItsWorkerAndQueue() throws {
    let name = uniqueName()
    func taken() throws -> SharedQueue.Task {
      let queue = try SharedQueue.create(name, capacity: 2, slotSize: 800)
      let worker = try queue.worker()
      let other = try queue.worker()
      try queue.put(77)
      let task = try worker.take()!
      for i in 0..<(100 as UInt64) {
        try queue.put(i)
        let tag = try other.next()
        #expect(tag == i)
      }
      return task
    }
    do {
      let task = try taken()
      #expect(task.tag == 77 && task.isWhole)
      // Its process is attached as long.
      #expect(try Traces(of: name).exists)
      try task.done()
    }
    #expect(try Traces(of: name) == Traces(of: "nobody"))
  }

  @Test(arguments: [true, false]) func killedWorkersMessagesGoToOthersOrNobody(redeliver: Bool)
    throws
  {
    let name = uniqueName()
    let queue = try SharedQueue.create(name, capacity: 4, slotSize: 8, redeliver: redeliver)
    for i in 1...4 { try queue.put(UInt64(i)) }
    let child = fork()
    if child == 0 {
      guard let worker = try? SharedQueue.open(name).worker() else { _exit(1) }
      guard let one = try? worker.take(), let other = try? worker.take() else { _exit(2) }
      kill(getpid(), one.tag + other.tag == 3 ? SIGKILL : SIGABRT)
    }
    var status: Int32 = 0
    let ended = unsafe waitpid(child, &status, 0)
    #expect(ended == child && status == SIGKILL)
    let worker = try queue.worker()
    try queue.close()
    var seen: [UInt64: Int] = [:]
    while let task = try worker.take() {
      #expect(task.isWhole == true)
      seen[task.tag] = task.redelivered
      try task.done()
    }
    #expect(seen == (redeliver ? [1: 1, 2: 1, 3: 0, 4: 0] : [3: 0, 4: 0]))
    try queue.join()
  }

  @Test func closedQueueEndsForAll() throws {
    let queue = try SharedQueue.create(uniqueName(), capacity: 4, slotSize: 8)
    let worker = try queue.worker()
    try queue.put(1)
    #expect(!queue.isClosed && !worker.isClosed)
    try queue.close()
    try queue.close()
    #expect(queue.isClosed && worker.isClosed)
    let refusal = error { try queue.put(2) }
    #expect(refusal?.code == .closed)
    #expect(refusal?.description.contains("the queue is closed") ?? false)
    let last = try worker.take()!
    #expect(last.tag == 1)
    let isOver = try worker.take() == nil  // Which would wait for others, and not for itself.
    #expect(isOver)
    try last.done()
  }

  @Test func tellsWhoUsesIt() throws {
    let name = uniqueName()
    let queue = try SharedQueue.create(name, capacity: 3, slotSize: 8, views: 2)
    let worker = try queue.worker()
    for i in 1...3 { try queue.put(UInt64(i)) }
    let first = try worker.take()!
    let second = try worker.take()!
    let refusal = error { _ = try worker.take() }
    #expect(refusal?.code == .noSlot)
    let other = try queue.worker()
    for info in [try queue.info, try SharedQueue.examine(name)] {
      #expect(info.capacity == 3 && info.slotSize == 8 && info.views == 2 && info.redelivers)
      #expect(info.newest == 3 && info.waiting == 1 && info.held == 2 && info.left == 0)
      #expect(!info.isClosed && info.writers.count == 1 && info.workers.count == 2)
      let own = try #require(info.workers.first)
      #expect(own.pid == getpid() && own.isAlive && own.held == 2 && own.first == 1)
      #expect(own.since <= UInt64(Date().timeIntervalSince1970 * 1e9))
      #expect(info.workers.last?.held == 0 && info.workers.last?.first == nil)
    }
    first.giveBack()
    try queue.close()
    let info = try SharedQueue.examine(name)
    #expect(info.left == 1 && info.held == 1 && info.isClosed)
    try second.done()
    let tags = [try other.next(), try other.next(), try other.next()]
    #expect(tags == [1, 3, nil])
    #expect(error { _ = try SharedQueue.examine("nobody") }?.code == .notFound)
    let channel = try SharedChannel.create("\(name)-channel", slotSize: 8)
    #expect(error { _ = try SharedQueue.examine(channel.name) }?.code == .notARegion)
    #expect(error { _ = try SharedQueue.open(channel.name) }?.code == .notARegion)
  }

  @Test func refusesWhatCanNotBe() throws {
    let name = uniqueName()
    func refuses(
      capacity: Int = 8, slotSize: Int = 8, workers: Int = 8, views: Int = 8, writers: Int = 4,
      loans: Int = 1
    ) {
      let refusal = error {
        _ = try SharedQueue.create(
          name, capacity: capacity, slotSize: slotSize, workers: workers, views: views,
          writers: writers, loans: loans)
      }
      #expect(refusal?.code == .invalidArgument, "\(String(describing: refusal))")
    }
    for number in [Int.min, -1, 0, Int.max] {
      refuses(capacity: number)
      refuses(slotSize: number)
      refuses(views: number)
      refuses(writers: number)
      refuses(loans: number)
      if number != 0 { refuses(workers: number) }
    }
    let queue = try SharedQueue.create(name, capacity: 1, slotSize: 8)
    #expect(error { _ = try queue.send([1, 2].span) }?.code == .tooLong)
    #expect(error { _ = try queue.loan(length: -1) }?.code == .invalidArgument)
    #expect(error { _ = try SharedQueue.open("nobody") }?.code == .notFound)
    let reading = error { _ = try SharedChannel.open(name).reader() }
    #expect(reading?.code == .invalidArgument)
    #expect(reading?.description.contains("it is a queue") ?? false)
  }

  @Test func opensOrCreates() throws {
    let name = uniqueName()
    let queue = try SharedQueue.openOrCreate(name, capacity: 5, slotSize: 8)
    let other = try SharedQueue.openOrCreate(name, capacity: 5, slotSize: 8, views: 1)
    #expect(queue.isCreated && !other.isCreated && other.views == 8)
    for (capacity, slotSize, redeliver) in [(8, 8, true), (5, 16, true), (5, 8, false)] {
      let refusal = error {
        _ = try SharedQueue.openOrCreate(
          name, capacity: capacity, slotSize: slotSize, redeliver: redeliver)
      }
      #expect(refusal?.code == .alreadyExists)
    }
    #expect(error { _ = try SharedChannel.openOrCreate(name, slots: 5, slotSize: 8) } != nil)
    try queue.unlink()
    #expect(!queue.isLinked && error { _ = try queue.worker() }?.code == .notFound)
  }

  @Test func forkedChildIsAtWorkOnNothingOfItsParents() throws {
    let queue = try SharedQueue.create(uniqueName(), capacity: 4, slotSize: 8)
    let worker = try queue.worker()
    try queue.put(1)
    try queue.put(2)
    let task = try worker.take()!
    let child = fork()
    if child == 0 { _exit(inChild(queue, worker, task)) }
    var status: Int32 = 0
    let ended = unsafe waitpid(child, &status, 0)
    #expect(ended == child && status == 0, "wrong: \(status >> 8)")
    #expect(task.tag == 1 && task.isWhole)
    try task.done()
    let tag = try worker.next()
    #expect(tag == 8)
    try queue.join()
  }

  private func inChild(
    _ queue: borrowing SharedQueue, _ worker: borrowing SharedQueue.Worker,
    _ task: consuming SharedQueue.Task
  ) -> Int32 {
    do {
      guard try worker.next() == 2 else { return 1 }
      try queue.put(8)
    } catch {
      return 2
    }
    do throws(ZincError) {
      try task.done()
      return 3
    } catch {
      return error.code == .invalidArgument ? 0 : 4
    }
  }
}

/// Threads of one process at work on one queue; run under the thread and address sanitizers too
/// (`make test`).
@Suite struct QueueThreadStormTests {
  /// Values that can't be copied, for threads.
  private final class Shared: Sendable {
    let queue: SharedQueue
    let worker: SharedQueue.Worker

    init(_ queue: consuming SharedQueue) throws {
      worker = try queue.worker()
      self.queue = queue
    }
  }

  @Test(.timeLimit(.minutes(5))) func eachMessageIsDoneByOneThread() throws {
    let name = uniqueName("threads")
    let shared = try Shared(
      .create(name, capacity: 6, slotSize: 256, workers: 2, views: 8, loans: 4))
    // Not a Mutex, of which the thread sanitizer knows nothing.
    let lock = NSLock()
    let (writers, workers, each) = (3, 3, 1000)
    nonisolated(unsafe) var seen: Set<UInt64> = []
    func start(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) -> DispatchGroup {
      let group = DispatchGroup()
      for number in 0..<count {
        group.enter()
        Thread.detachNewThread {
          do { try body(number) } catch { Issue.record(error) }
          group.leave()
        }
      }
      return group
    }
    let writing = start(writers) { number in
      for i in 0..<each { try shared.queue.put(UInt64(number * each + i)) }
    }
    let working = start(workers) { _ in
      while let task = try shared.worker.take() {
        #expect(task.isWhole == true)
        if task.redelivered == 0 && task.tag % 16 == 3 {
          task.giveBack()
          continue
        }
        let tag = task.tag
        let isNew = lock.withLock { unsafe seen.insert(tag).inserted }
        #expect(isNew)
        try task.done()
      }
    }
    writing.wait()
    let isDone = try shared.queue.join(timeout: .seconds(60))
    #expect(isDone)
    try shared.queue.close()
    working.wait()
    #expect(unsafe seen.count == writers * each)
  }
}

@Suite(.timeLimit(.minutes(1))) struct QueueTaskTests {
  @Test func tasksShareWork() async throws {
    let name = uniqueName()
    let queue = try SharedQueue.create(name, capacity: 4, slotSize: 8)
    let count = 300
    try await withThrowingTaskGroup(of: UInt64.self) { group in
      for _ in 0..<3 {
        group.addTask {
          let worker = try SharedQueue.open(name).worker()
          var sum: UInt64 = 0
          while let task = try await worker.take() {
            sum += task.tag
            try task.done()
          }
          return sum
        }
      }
      for i in 1...count {
        let number = try await queue.send([UInt64(i)].span, tag: UInt64(i))
        #expect(number == UInt64(i))
      }
      try queue.close()
      var sum: UInt64 = 0
      for try await part in group { sum += part }
      #expect(sum == UInt64(count * (count + 1) / 2))
    }
  }

  @Test func cancelledTaskHasTakenNothing() async throws {
    let name = uniqueName()
    let queue = try SharedQueue.create(name, capacity: 4, slotSize: 8)
    let isNone = try await queue.worker().take(timeout: .milliseconds(2)) == nil
    #expect(isNone)
    for delay in [0, 1, 20] {
      let taking = Task {
        _ = try await SharedQueue.open(name).worker().take()
        Issue.record("taken, and nobody has sent")
      }
      try await Task.sleep(for: .milliseconds(delay))
      taking.cancel()
      await #expect(throws: CancellationError.self) { try await taking.value }
    }
    try queue.put(1)
    let tag = try queue.worker().next()
    #expect(tag == 1)
  }
}
