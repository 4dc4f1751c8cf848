import Testing

@testable import Zinc

// Every wait here is of a task: none has a thread of its own.
@Suite(.timeLimit(.minutes(1))) struct TaskTests {
  @Test func seesEachNotificationOnce() async throws {
    let region = try SharedRegion.create(uniqueName(), capacity: 1)
    #expect(try await region.wait(timeout: .zero) == false)
    #expect(try await region.wait(timeout: .milliseconds(1)) == false)
    #expect(try await region.wait(timeout: .seconds(-1)) == false)
    region.notify()
    #expect(try await region.wait() == true)
    #expect(try await region.wait(timeout: .zero) == false)
    #expect(try await region.wait(after: 0) == true)
    #expect(try await region.wait(after: 1, timeout: .microseconds(10)) == false)
  }

  @Test func tasksTalkBothWays() async throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: 1)
    let rounds = 500
    let other = Task {
      let region = try SharedRegion.open(name)
      var sequence: UInt32 = 0
      for _ in 0..<rounds {
        try await region.wait(after: sequence)
        sequence = region.notify()
      }
    }
    for _ in 0..<rounds { try await region.wait(after: region.notify()) }
    try await other.value
    #expect(region.sequence == UInt32(2 * rounds))
  }

  @Test func thousandTasksWaitOnAHundredRegions() async throws {
    let name = uniqueName()
    let regions = try InlineArray<100, SharedRegion> {
      try SharedRegion.create("\(name)-\($0)", capacity: 1)
    }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for i in 0..<1000 {
        group.addTask { try await SharedRegion.open("\(name)-\(i % 100)").wait() }
      }
      try await Task.sleep(for: .milliseconds(50))  // most wait by now; right in any case
      for i in regions.indices { regions[i].notify() }
      for try await isNew in group { #expect(isNew) }
    }
  }

  @Test func cancelledWaitHasSeenNothing() async throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: 1)
    for delay in [0, 1, 20] {
      let task = Task {
        let region = try SharedRegion.open(name)
        await #expect(throws: CancellationError.self) {
          try await region.wait(after: region.sequence)
        }
        await #expect(throws: CancellationError.self) {
          try await region.wait(after: region.sequence &- 1)
        }
        return region.tryWait()
      }
      try await Task.sleep(for: .milliseconds(delay))
      task.cancel()
      #expect(try await task.value == (region.sequence != 0))
      region.notify()
    }
  }

  @Test func iteratesOverWhatIsNew() async throws {
    let name = uniqueName()
    let other = try SharedRegion.create(name, capacity: 1)
    let answers = AsyncStream<UInt32>.makeStream()
    let task = Task {
      let region = try SharedRegion.open(name)
      var turns: [UInt32] = []
      for try await sequence in region.notifications() {
        #expect(region.seen == sequence)
        turns.append(sequence)
        answers.continuation.yield(sequence)
        if sequence == 5 { break }
      }
      #expect(region.tryWait() == false)
      return turns
    }
    other.notify()
    other.notify()
    var answered = answers.stream.makeAsyncIterator()
    // Two notifications are one turn, or two.
    while await answered.next() != 2 {}
    for expected in UInt32(3)...5 {
      #expect(other.notify() == expected)
      #expect(await answered.next() == expected)
    }
    let turns = try await task.value
    #expect(turns.suffix(4) == [2, 3, 4, 5])
  }

  @Test func notificationsEndWithTheRegion() async throws {
    let name = uniqueName()
    for delay in [0, 1, 20] {
      let kept = try SharedRegion.create(name, capacity: 1)
      let waiting: Task<[UInt32], any Error>
      let notifications: SharedRegion.Notifications
      do {
        let region = try SharedRegion.open(name)
        notifications = region.notifications()
        waiting = Task { [notifications] in
          var turns: [UInt32] = []
          for try await sequence in notifications { turns.append(sequence) }
          return turns
        }
        try await Task.sleep(for: .milliseconds(delay))  // it waits by now; right in any case
        #expect(region.seen == 0)
      }
      // Whoever goes on with the sequence is not attached.
      #expect(try kept.isAlone)
      #expect(try await waiting.value == [])
      kept.notify()
      for try await sequence in notifications {
        Issue.record("\(sequence), and the region is closed")
      }
      // Other waits of the process go on.
      #expect(try await kept.wait() == true)
    }
  }

  @Test func cancelledNotificationsEndAndHaveSeenNothing() async throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: 1)
    for delay in [0, 1, 20] {
      let task = Task {
        let region = try SharedRegion.open(name)
        _ = region.tryWait()
        for try await sequence in region.notifications() {
          Issue.record("\(sequence), and nobody has said anything")
        }
        #expect(Task.isCancelled)
        #expect(region.notify() == region.seen &+ 1)
        for try await sequence in region.notifications() {
          Issue.record("\(sequence), and the task is cancelled")
        }
        return region.tryWait()
      }
      try await Task.sleep(for: .milliseconds(delay))
      task.cancel()
      #expect(try await task.value == true)
    }
    #expect(region.sequence == 3)
  }

  @Test func notificationsDoNotKeepOthersOfTheThreadWaiting() async throws {
    let name = uniqueName()
    let kept = try SharedRegion.create(name, capacity: 1)
    let turns = 50
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<20 {
        group.addTask {
          // Regions that close while the thread sleeps on them, one after the other.
          for _ in 0..<turns {
            let task: Task<Void, any Error>
            do {
              let region = try SharedRegion.open(name)
              let notifications = region.notifications()
              task = Task { for try await _ in notifications {} }
              await Task.yield()
            }
            try await task.value
          }
          return turns
        }
      }
      for try await count in group { #expect(count == turns) }
    }
    #expect(try kept.isAlone)
  }

  @Test func waitsForManyAtOnce() throws {
    let name = uniqueName()
    let regions: [3 of SharedRegion] = [
      try .create("\(name)-0", capacity: 1), try .create("\(name)-1", capacity: 1),
      try .create("\(name)-2", capacity: 1),
    ]
    #expect(SharedRegion.waitAny(regions.span, timeout: .zero) == [])
    #expect(SharedRegion.waitAll(regions.span, timeout: .milliseconds(1)) == false)
    regions[2].notify()
    regions[0].notify()
    #expect(SharedRegion.waitAll(regions.span, timeout: .zero) == false)
    #expect(SharedRegion.waitAny(regions.span) == [0, 2])
    #expect(SharedRegion.waitAny(regions.span, timeout: .zero) == [])
    for i in regions.indices { regions[i].notify() }
    #expect(SharedRegion.waitAll(regions.span) == true)
    #expect(regions[0].tryWait() == false)
    #expect(SharedRegion.waitAny(Span()) == [])
    #expect(SharedRegion.waitAll(Span()) == true)
  }
}
