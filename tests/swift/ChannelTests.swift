import Foundation
import Synchronization
import Testing
import Zinc

extension SharedChannel.Message {
  fileprivate var copy: [UInt8] { unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) } }

  /// All its numbers are its own, whose tag is the first of them: nobody has torn it.
  fileprivate var isWhole: Bool {
    let numbers = span(of: UInt64.self)
    for i in numbers.indices where numbers[i] != tag { return false }
    return true
  }
}

extension SharedChannel.Reader {
  /// The next message, which is there.
  fileprivate func message() throws -> SharedChannel.Message {
    guard let message = try tryReceive() else { throw Missing() }
    return message
  }

  private struct Missing: Error {}
}

extension SharedChannel.Loan {
  fileprivate mutating func fill(_ value: UInt64) {
    tag = value
    var numbers = mutableSpan(of: UInt64.self)
    for i in numbers.indices { numbers[i] = value }
  }
}

extension SharedChannel {
  fileprivate func publish(_ value: UInt64) throws(ZincError) {
    var loan = try loan()
    loan.fill(value)
    try loan.publish()
  }
}

/// What the Swift interface of channels does; with processes that are killed,
/// tests/python/test_channel_swift.py.
@Suite(.timeLimit(.minutes(1))) struct ChannelTests {
  private func error(_ body: () throws -> Void) -> ZincError? {
    do {
      try body()
      return nil
    } catch {
      return error as? ZincError
    }
  }

  @Test func handsOverWhatWasFilledInPlace() throws {
    let name = uniqueName()
    let channel = try SharedChannel.create(name, slots: 3, slotSize: 80)
    #expect(channel.slots == 4 && channel.slotSize == 80 && channel.views == 8)
    #expect(channel.full == .overwrite && channel.isCreated && channel.isLinked)
    let reader = try SharedChannel.open(name).reader()
    #expect(reader.name == name && channel.newest == 0)
    var loan = try channel.loan(length: 16, tag: 3)
    #expect(loan.length == 16)
    do {
      var numbers = loan.mutableSpan(of: Int32.self)
      for i in numbers.indices { numbers[i] = Int32(i) }
    }
    do {
      var bytes = loan.mutableBytes
      bytes.storeBytes(of: 9, toByteOffset: 4, as: Int32.self)
    }
    try loan.resize(to: 10)
    let before = Date().timeIntervalSince1970
    #expect(try loan.publish() == 1)
    let sent = try channel.send([5 as UInt8, 6].span, tag: 4)
    #expect(sent == 2 && channel.newest == 2 && reader.lag == 2)

    let message = try reader.message()
    #expect(message.number == 1 && message.tag == 3)
    #expect(abs(Double(message.time) / 1e9 - before) < 600)
    #expect(message.copy == [0, 0, 0, 0, 9, 0, 0, 0, 2, 0])
    let numbers = message.span(of: Int32.self)
    let (count, second) = (numbers.count, numbers[1])
    #expect(count == 2 && second == 9)
    let other = try reader.message()
    #expect(other.copy == [5, 6] && other.number == 2 && reader.next == 3)
    let isNone = try reader.receive(timeout: .milliseconds(1)) == nil
    #expect(isNone)
  }

  @Test func messageLastsLongerThanItsReaderAndChannel() throws {
    let name = uniqueName()
    func received() throws -> SharedChannel.Message {
      let writer = try SharedChannel.create(name, slots: 2, slotSize: 800)
      let reader = try SharedChannel.open(name).reader()
      try writer.publish(77)
      let message = try reader.message()
      for i in 0..<100 { try writer.publish(UInt64(i)) }
      return message
    }
    do {
      let message = try received()
      #expect(message.tag == 77 && message.isWhole && message.number == 1)
      // Its process is attached as long.
      #expect(try Traces(of: name).exists)
    }
    #expect(try Traces(of: name) == Traces(of: "nobody"))
  }

  @Test func writerDoesNotWaitForAReaderThatIsGoneWhoseMessageIsNot() throws {
    let channel = try SharedChannel.create(uniqueName(), slots: 2, slotSize: 8, full: .wait)
    func received() throws -> SharedChannel.Message {
      let reader = try channel.reader()
      try channel.publish(1)
      let message = try reader.message()
      try channel.publish(2)
      try channel.publish(3)
      let number = try channel.send([4].span, timeout: .zero)
      #expect(number == nil)
      return message
    }
    let message = try received()
    for i in 4..<50 {
      let number = try channel.send([i].span, timeout: .zero)
      #expect(number == UInt64(i))
    }
    #expect(message.tag == 1 && message.isWhole)
  }

  @Test func loanLastsLongerThanItsChannel() throws {
    let name = uniqueName()
    let channel = try SharedChannel.create(name, slotSize: 8)
    let reader = try channel.reader()
    func loan() throws -> SharedChannel.Loan { try SharedChannel.open(name).loan() }
    var loan = try loan()
    loan.fill(5)
    try loan.publish()
    let message = try reader.message()
    #expect(message.tag == 5 && message.isWhole)
  }

  @Test func loansThatAreNotPublishedAreGivenBack() throws {
    let channel = try SharedChannel.create(
      uniqueName(), slots: 2, slotSize: 8, writers: 1, readers: 0)
    for i in 0..<100 {
      let loan = try channel.loan()
      if i % 2 == 0 { loan.discard() }
    }
    #expect(channel.newest == 0)
    func takeAll(_ count: inout Int) throws(ZincError) {
      let loan = try channel.loan()
      count += 1
      try takeAll(&count)
      loan.discard()
    }
    var (first, second) = (0, 0)
    let refusal = error { try takeAll(&first) }
    #expect(refusal?.code == .noSlot && first >= 9)
    #expect(refusal?.description.contains("no slot is free") ?? false)
    #expect(error { try takeAll(&second) }?.code == .noSlot)
    #expect(first == second)
  }

  @Test func loanThatFoundNoRoomStaysOne() throws {
    let channel = try SharedChannel.create(uniqueName(), slots: 2, slotSize: 8, full: .wait)
    let reader = try channel.reader()
    for i in 1...2 { try channel.publish(UInt64(i)) }
    #expect(channel.full == .wait && reader.lag == 2)
    var loan = try channel.loan()
    loan.fill(3)
    switch try loan.publish(timeout: .milliseconds(1)) {
    case .published: Issue.record("published, and nobody has read")
    case .timedOut(let same):
      let isReceived = try reader.receive() != nil
      #expect(isReceived)
      switch try same.publish(timeout: .zero) {
      case .published(let number): #expect(number == 3)
      case .timedOut: Issue.record("there was room")
      }
    }
    var tags: [UInt64] = []
    while let message = try reader.tryReceive() {
      #expect(message.isWhole == true)
      tags.append(message.tag)
    }
    #expect(tags == [2, 3] && reader.lost == 0)
  }

  @Test func readerKnowsWhatItHasMissed() throws {
    let channel = try SharedChannel.create(uniqueName(), slots: 4, slotSize: 8)
    let reader = try channel.reader()
    for i in 1...10 { try channel.publish(UInt64(i)) }
    #expect(reader.next == 1 && reader.lost == 0 && reader.lag == 10)
    let first = try reader.receive()?.number
    #expect(first == 8 && reader.lost == 7 && reader.lag == 2)
    let latest = try reader.latest()?.number
    #expect(latest == 10 && reader.lost == 8 && reader.lag == 0)
    let isNone = try reader.latest() == nil
    #expect(isNone)
    let late = try channel.reader(history: 2)
    #expect(late.next == 9 && late.lag == 2)
    let all = try channel.reader(history: .max)
    #expect(all.next == 8)
  }

  @Test func readerHoldsSoManyMessages() throws {
    let channel = try SharedChannel.create(uniqueName(), slotSize: 8, views: 2)
    let reader = try channel.reader()
    for i in 1...4 { try channel.publish(UInt64(i)) }
    let message = try reader.message()
    let kept = try reader.message()
    let refusal = error { _ = try reader.receive() }
    #expect(refusal?.code == .noSlot)
    #expect(refusal?.description.contains("release some") ?? false)
    message.release()
    let third = try reader.receive()?.number
    #expect(third == 3)
    #expect(kept.number == 2 && kept.isWhole)
  }

  @Test func tellsWhoUsesIt() throws {
    let name = uniqueName()
    let channel = try SharedChannel.create(name, slots: 2, slotSize: 8, full: .wait)
    #expect(try channel.waitForReaders(0, timeout: .zero) == true)
    #expect(try channel.waitForReaders(1, timeout: .milliseconds(1)) == false)
    let reader = try channel.reader()
    #expect(try channel.waitForReaders(1) == true)
    for i in 1...2 { try channel.publish(UInt64(i)) }
    let message = try reader.message()
    for info in [try channel.info, try SharedChannel.examine(name)] {
      #expect(info.slots == 2 && info.slotSize == 8 && info.views == 8)
      #expect(info.full == .wait && info.newest == 2)
      let (own, other) = (try #require(info.writers.first), try #require(info.readers.first))
      #expect(info.writers.count == 1 && own.pid == getpid() && own.isAlive)
      #expect(own.waitingSince == nil)
      #expect(info.readers.count == 1 && other.pid == getpid() && other.isAlive)
      #expect(other.next == 2 && other.lag == 1 && other.lost == 0 && other.views == 1)
      #expect(other.since <= message.time && !other.isEvicted)
    }
    #expect(error { _ = try SharedChannel.examine("nobody") }?.code == .notFound)
    let region = try SharedRegion.create("\(name)-region", capacity: 1)
    #expect(error { _ = try SharedChannel.examine(region.name) }?.code == .notARegion)
  }

  @Test func writerGoesOnWithoutAReaderThatItHasEvicted() throws {
    let name = uniqueName()
    let channel = try SharedChannel.create(
      name, slots: 2, slotSize: 8, full: .wait, evictAfter: .milliseconds(20))
    let reader = try channel.reader()
    for i in 1...5 { try channel.publish(UInt64(i)) }
    let isEvicted = try channel.info.readers.first?.isEvicted
    #expect(isEvicted == true)
    let message = try reader.message()
    #expect(message.tag == 5 && message.isWhole && reader.lost == 4)
    let isStill = try channel.info.readers.first?.isEvicted
    #expect(isStill == false)
  }

  @Test func readerIsToldThatItsWritersAreGone() throws {
    let name = uniqueName()
    let kept = try SharedChannel.create(name, slots: 4, slotSize: 8)
    let reader = try kept.reader(untilGone: true)
    // Who has not come yet is not gone.
    let isThere = try reader.receive(timeout: .milliseconds(1)) != nil
    #expect(!isThere && reader.hasWriters)
    for i in 1...2 {
      let writer = try SharedChannel.open(name)
      try writer.publish(UInt64(i))
    }
    var tags: [UInt64] = []
    while let message = try reader.receive() { tags.append(message.tag) }
    #expect(tags == [1, 2])
    let hasWriters = reader.hasWriters
    #expect(!hasWriters)
    try kept.publish(3)
    let tag = try reader.receive()?.tag
    #expect(tag == 3 && reader.hasWriters)
  }

  @Test func refusesWhatCanNotBe() throws {
    let name = uniqueName()
    func refuses(
      slots: Int = 8, slotSize: Int = 8, writers: Int = 4, loans: Int = 1, readers: Int = 8,
      views: Int = 8
    ) {
      let errors = [
        error {
          _ = try SharedChannel.create(
            name, slots: slots, slotSize: slotSize, writers: writers, loans: loans,
            readers: readers, views: views)
        },
        error {
          _ = try SharedChannel.openOrCreate(
            name, slots: slots, slotSize: slotSize, writers: writers, loans: loans,
            readers: readers, views: views)
        },
        error {
          _ = try SharedChannel.anonymous(
            slots: slots, slotSize: slotSize, writers: writers, loans: loans, readers: readers,
            views: views)
        },
      ]
      #expect(errors.allSatisfy { $0?.code == .invalidArgument }, "\(errors)")
    }
    for number in [Int.min, -1, 0, Int.max] {
      refuses(slots: number)
      refuses(slotSize: number)
      refuses(writers: number)
      refuses(loans: number)
      refuses(views: number)
      if number != 0 { refuses(readers: number) }
    }
    let channel = try SharedChannel.create(name, slotSize: 8)
    let tooLong = error { _ = try channel.send([1, 2].span) }
    #expect(tooLong?.code == .tooLong)
    #expect(tooLong?.description.contains(name) ?? false)
    #expect(error { _ = try channel.loan(length: .max) }?.code == .tooLong)
    #expect(error { _ = try channel.loan(length: -1) }?.code == .invalidArgument)
    var loan = try channel.loan()
    do throws(ZincError) {
      try loan.resize(to: 9)
      Issue.record("resized")
    } catch {
      #expect(error.code == .tooLong && loan.length == 8)
    }
    #expect(error { _ = try channel.reader(history: -1) }?.code == .invalidArgument)
    #expect(error { _ = try SharedChannel.create(name, slotSize: 8) }?.code == .alreadyExists)
    #expect(error { _ = try SharedChannel.open("nobody") }?.code == .notFound)
    let region = try SharedRegion.create("\(name)-region", capacity: 100_000)
    #expect(error { _ = try SharedChannel.open(region.name) }?.code == .notARegion)
    let taken = error { _ = try SharedChannel.openOrCreate(region.name, slotSize: 8) }
    #expect(taken?.code == .alreadyExists)
  }

  @Test func opensOrCreates() throws {
    let name = uniqueName()
    let channel = try SharedChannel.openOrCreate(name, slots: 4, slotSize: 8, full: .wait)
    let other = try SharedChannel.openOrCreate(name, slots: 3, slotSize: 8, full: .wait, views: 1)
    #expect(channel.isCreated && !other.isCreated && other.views == 8)
    for (slots, slotSize, full) in [
      (8, 8, SharedChannel.Full.wait), (4, 16, .wait), (4, 8, .overwrite),
    ] {
      let refusal = error {
        _ = try SharedChannel.openOrCreate(name, slots: slots, slotSize: slotSize, full: full)
      }
      #expect(refusal?.code == .alreadyExists)
      #expect(refusal?.description.contains("4 slots of 8 bytes") ?? false)
    }
  }

  @Test func anonymousOneTravelsAsItsDescriptor() throws {
    let channel = try SharedChannel.anonymous(slotSize: 8)
    let descriptor = channel.descriptor ?? -1
    let other = try SharedChannel.open(descriptor: descriptor)
    let reader = try other.reader()
    try channel.publish(3)
    let tag = try reader.receive()?.tag
    #expect(tag == 3 && other.name == "")
    let file = unsafe open("/dev/null", O_RDWR)
    defer { close(file) }
    #expect(error { _ = try SharedChannel.open(descriptor: file) }?.code == .notARegion)
  }

  @Test func channelThatHasLostItsNameGoesOnWithWhoHasIt() throws {
    let name = uniqueName()
    let channel = try SharedChannel.create(name, slotSize: 8)
    let reader = try channel.reader()
    try channel.unlink()
    let isLinked = channel.isLinked
    #expect(!isLinked)
    #expect(error { _ = try channel.reader() }?.code == .notFound)
    let other = try SharedChannel.create(name, slotSize: 8)
    #expect(error { _ = try channel.reader() }?.code == .notFound)
    try channel.publish(1)
    let tag = try reader.receive()?.tag
    #expect(tag == 1 && other.newest == 0)
  }

  @Test func forkedChildHasNoneOfItsParentsLoansAndMessages() throws {
    let channel = try SharedChannel.create(uniqueName(), slotSize: 8, full: .wait)
    let reader = try channel.reader()
    for i in 1...2 { try channel.publish(UInt64(i)) }
    let message = try reader.message()
    var loan = try channel.loan()
    loan.fill(7)
    let child = fork()
    if child == 0 {
      // What is wrong, as a number: nothing of the tests goes on here.
      _exit(inChild(channel, reader, loan, message))
    }
    var status: Int32 = 0
    let ended = unsafe waitpid(child, &status, 0)
    #expect(ended == child && status == 0, "wrong: \(status >> 8)")
    // What the child has released is held, and what it has sent is there.
    #expect(message.number == 1 && message.isWhole)
    let number = try loan.publish()
    #expect(number == 4)
    var tags: [UInt64] = []
    while let message = try reader.tryReceive() {
      #expect(message.isWhole == true)
      tags.append(message.tag)
    }
    #expect(tags == [2, 8, 7])
  }

  private func inChild(
    _ channel: borrowing SharedChannel, _ reader: borrowing SharedChannel.Reader,
    _ loan: consuming SharedChannel.Loan, _ message: consuming SharedChannel.Message
  ) -> Int32 {
    do {
      guard loan.bytes.byteCount == 0, loan.mutableBytes.byteCount == 0 else { return 1 }
      guard error({ try channel.publish(8) }) == nil else { return 2 }
      // It begins where its parent was.
      guard try reader.receive()?.tag == 2, try reader.receive()?.tag == 8 else { return 3 }
      message.release()
      for _ in 0..<3 { loan = try channel.loan() }
      return 0
    } catch {
      return 4
    }
  }
}

/// Threads of one process at work on one channel; run under the thread and address sanitizers too
/// (`make test`).
@Suite struct ChannelThreadStormTests {
  private func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) {
    let group = DispatchGroup()
    for number in 0..<count {
      group.enter()
      Thread.detachNewThread {
        do { try body(number) } catch { Issue.record(error) }
        group.leave()
      }
    }
    group.wait()
  }

  /// The threads are done, and let go of what they had.
  private func waitUntilGone(_ name: String) throws {
    while try Traces(of: name) != Traces(of: "nobody") { Thread.sleep(forTimeInterval: 0.001) }
  }

  /// Values that can't be copied, for threads.
  private final class Shared: @unchecked Sendable {
    let channel: SharedChannel
    let reader: SharedChannel.Reader
    let finished = Atomic(0)
    // Not a Mutex, of which the thread sanitizer knows nothing.
    private let lock = NSLock()
    private var seen: Set<UInt64> = []

    var count: Int { lock.withLock { seen.count } }

    /// False if it was seen before.
    func see(_ value: UInt64) -> Bool { lock.withLock { seen.insert(value).inserted } }

    init(_ channel: consuming SharedChannel) throws {
      reader = try channel.reader()
      self.channel = channel
    }
  }

  @Test(.timeLimit(.minutes(5))) func waitingChannelGivesEachMessageToOneThread() throws {
    let name = uniqueName("threads")
    do {
      let shared = try Shared(
        .create(name, slots: 8, slotSize: 256, full: .wait, loans: 4, views: 4))
      let (writers, readers, each) = (3, 3, 1500)
      onThreads(writers + readers) { number in
        if number < writers {
          for i in 0..<each {
            let value = UInt64(number * each + i)
            if i % 5 == 0 { try shared.channel.loan().discard() }
            if i % 2 == 0 {
              try shared.channel.publish(value)
            } else {
              let numbers = [UInt64](repeating: value, count: 1 + i % 32)
              try shared.channel.send(numbers.span, tag: value)
            }
          }
        } else {
          while shared.count < writers * each {
            guard let message = try shared.reader.receive(timeout: .milliseconds(20)) else {
              continue
            }
            #expect(message.isWhole == true)
            let isNew = shared.see(message.tag)
            #expect(isNew)
          }
        }
      }
      #expect(shared.reader.lost == 0 && shared.channel.newest == UInt64(writers * each))
    }
    try waitUntilGone(name)
  }

  @Test(.timeLimit(.minutes(5))) func overwritingChannelTearsNothingThatIsHeld() throws {
    let name = uniqueName("threads")
    do {
      let shared = try Shared(.create(name, slots: 2, slotSize: 1024, loans: 4, views: 4))
      let (writers, readers, each) = (2, 3, 4000)
      onThreads(writers + readers) { number in
        if number < writers {
          for i in 0..<each { try shared.channel.publish(UInt64(number * each + i)) }
          shared.finished.wrappingAdd(1, ordering: .relaxed)
          return
        }
        var held: SharedChannel.Message?
        while shared.finished.load(ordering: .relaxed) < writers {
          if let message = try? shared.reader.latest() {
            // The one of before has been read and overtaken meanwhile.
            #expect(held?.isWhole ?? true)
            held = consume message
          }
          if number == writers {
            // Readers that go, and whose messages stay a while.
            let own = try shared.channel.reader(history: 1)
            let message = try own.receive(timeout: .zero)
            _ = consume own
            #expect(message?.isWhole ?? true)
          }
        }
        #expect(held?.isWhole ?? true)
      }
    }
    try waitUntilGone(name)
  }

  @Test(.timeLimit(.minutes(5))) func messagesAndLoansGoToOtherThreads() throws {
    let name = uniqueName("threads")
    do {
      let shared = try Shared(.create(name, slots: 4, slotSize: 64, full: .wait, loans: 4))
      let messages = Handed<SharedChannel.Message>()
      let loans = Handed<SharedChannel.Loan>()
      let count = 2000
      onThreads(4) { number in
        for i in 0..<count {
          switch number {
          case 0:
            var loan = try shared.channel.loan()
            loan.fill(UInt64(i))
            loans.give(loan)
          case 1: try loans.take().publish()
          case 2:
            let received = try shared.reader.receive()
            guard let message = consume received else { return }
            messages.give(message)
          default:
            let message = messages.take()
            #expect(message.tag == i && message.isWhole)
          }
        }
      }
    }
    try waitUntilGone(name)
  }

  /// A place for one value that can't be copied.
  private final class Handed<Value: ~Copyable & Sendable>: @unchecked Sendable {
    private var value: Value?
    private let isFree = DispatchSemaphore(value: 1)
    private let isThere = DispatchSemaphore(value: 0)

    func give(_ value: consuming Value) {
      isFree.wait()
      self.value = consume value
      isThere.signal()
    }

    func take() -> Value {
      isThere.wait()
      defer { isFree.signal() }
      return value.take()!
    }
  }
}

@Suite(.timeLimit(.minutes(1))) struct ChannelTaskTests {
  @Test func tasksHandOver() async throws {
    let name = uniqueName()
    let channel = try SharedChannel.create(name, slots: 4, slotSize: 64, full: .wait)
    let count = 300
    let isReading = try SharedEvent.open("\(name)-event")
    let reading = Task {
      let reader = try SharedChannel.open(name).reader()
      try SharedEvent.open("\(name)-event").set()
      var sum: UInt64 = 0
      while let message = try await reader.receive() {
        #expect(message.isWhole == true)
        sum += message.tag
        if message.number == count { break }
      }
      #expect(reader.lost == 0)
      return sum
    }
    while try !isReading.isSet { await Task.yield() }
    for i in 1...count {
      let number = try await channel.send([UInt64(i)].span, tag: UInt64(i))
      #expect(number == UInt64(i))
    }
    #expect(try await reading.value == UInt64(count * (count + 1) / 2))
  }

  @Test func fullChannelSuspendsItsWriter() async throws {
    let channel = try SharedChannel.create(uniqueName(), slots: 2, slotSize: 8, full: .wait)
    let reader = try channel.reader()
    for i in 1...2 { try await channel.send([i].span) }
    let isSent = try await channel.send([3].span, timeout: .milliseconds(3)) != nil
    #expect(!isSent)
    var loan = try channel.loan()
    loan.fill(3)
    switch try await loan.publish(timeout: .milliseconds(1)) {
    case .published: Issue.record("published, and nobody has read")
    case .timedOut(let same):
      let isReceived = try await reader.receive() != nil
      #expect(isReceived)
      #expect(try await same.publish() == 3)
    }
    #expect(reader.lag == 2 && reader.lost == 0)
  }

  @Test func taskIsToldThatItsWritersAreGone() async throws {
    let name = uniqueName()
    let reader = try SharedChannel.create(name, slotSize: 8).reader(untilGone: true)
    let writing = Task {
      let writer = try SharedChannel.open(name)
      for i in 1...3 { try await writer.send([i].span, tag: UInt64(i)) }
    }
    var tags: [UInt64] = []
    while let message = try await reader.receive() { tags.append(message.tag) }
    try await writing.value
    #expect(tags == [1, 2, 3])
  }

  @Test func cancelledTasksHaveSentAndReceivedNothing() async throws {
    let name = uniqueName()
    let channel = try SharedChannel.create(name, slots: 2, slotSize: 8, full: .wait)
    let reader = try channel.reader()
    for delay in [0, 1, 20] {
      let receiving = Task {
        let reader = try SharedChannel.open(name).reader()
        _ = try await reader.receive()
        Issue.record("received, and nobody has sent")
      }
      try await Task.sleep(for: .milliseconds(delay))
      receiving.cancel()
      await #expect(throws: CancellationError.self) { try await receiving.value }
    }
    for i in 1...2 { try await channel.send([i].span) }
    for delay in [0, 1, 20] {
      let sending = Task { try await SharedChannel.open(name).send([9].span) }
      try await Task.sleep(for: .milliseconds(delay))
      sending.cancel()
      await #expect(throws: CancellationError.self) { try await sending.value }
    }
    #expect(channel.newest == 2)
    let number = try await reader.receive()?.number
    #expect(number == 1)
  }

  @Test func manyTasksReceiveOnOneReader() async throws {
    let shared = Reading(try SharedChannel.create(uniqueName(), slots: 64, slotSize: 8))
    let count = 60
    try await withThrowingTaskGroup(of: UInt64.self) { group in
      for _ in 0..<count {
        group.addTask { try await shared.reader.receive()?.number ?? 0 }
      }
      for i in 0..<count { try shared.channel.publish(UInt64(i)) }
      var seen: Set<UInt64> = []
      for try await number in group { seen.insert(number) }
      #expect(seen == Set((1...count).map(UInt64.init)))
    }
  }

  private final class Reading: Sendable {
    let channel: SharedChannel
    let reader: SharedChannel.Reader

    init(_ channel: consuming SharedChannel) {
      reader = try! channel.reader()
      self.channel = channel
    }
  }
}
