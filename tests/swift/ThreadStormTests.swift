import CZinc
import Foundation
import Testing

@testable import Zinc

/// Threads of one process at work on the same handles; run under the thread and address
/// sanitizers too (`make test`).
@Suite struct ThreadStormTests {
  /// Runs `body` on several threads at once, with the number of each, until all are done.
  func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let group = DispatchGroup()
    for number in 0..<count {
      group.enter()
      Thread.detachNewThread {
        body(number)
        group.leave()
      }
    }
    group.wait()
  }

  @Test(.timeLimit(.minutes(5))) func createOpenAndCloseOnAFewNames() throws {
    let names = (0..<3).map { _ in uniqueName("threads") }
    onThreads(4) { _ in
      var generator = SystemRandomNumberGenerator()
      for _ in 0..<2000 {
        let name = names.randomElement(using: &generator) ?? ""
        guard let region = try? SharedRegion.openOrCreate(name, capacity: 5000) else {
          Issue.record("open or create failed")
          return
        }
        region.notify()
        if (try? SharedRegion.create(name, capacity: 1)) != nil {
          Issue.record("created a living name")
        }
        #expect((try? SharedRegion.open(name))?.capacity == 5000)
        #expect(region.tryWait() == true)
      }
    }
    for name in names { #expect(try Traces(of: name) == Traces(of: "nobody")) }
  }

  @Test(.timeLimit(.minutes(5))) func notifyAndWaitOnOneHandle() throws {
    let region = try SharedRegion.create(uniqueName("threads"), capacity: 8)
    let shared = unsafe Borrowed(pointer: unsafe region.attachment)
    let rounds: UInt32 = 5000
    onThreads(4) { number in
      let attachment = unsafe shared.pointer
      if number < 2 {
        for _ in 0..<rounds { _ = unsafe attachment.pointee.notification.notify() }
      } else {
        // Not one by one: several notifications may be seen as one.
        while unsafe attachment.pointee.notification.sequence < 2 * rounds {
          let seen = unsafe attachment.pointee.notification.sequence
          if seen == 2 * rounds { break }
          _ = unsafe attachment.pointee.notification.wait(
            past: seen, deadline: .max)
        }
      }
    }
    #expect(region.sequence == 2 * rounds)
  }

  @Test(.timeLimit(.minutes(5))) func detachEndsTheWaitsOfOtherThreads() throws {
    for _ in 0..<200 {
      let name = uniqueName("threads")
      let region = try SharedRegion.create(name, capacity: 8)
      let shared = unsafe Borrowed(pointer: unsafe region.attachment)
      onThreads(4) { number in
        if number == 0 {
          unsafe Zinc.Attachment.detach(shared.pointer)
        } else {
          let result = unsafe shared.pointer.pointee.notification.wait { .max }
          #expect(result == .closed)
        }
      }
      #expect(try Traces(of: name).exists == false)
    }
  }

  @Test(.timeLimit(.minutes(5))) func detachMeetsAllThatMayBeInProgress() throws {
    for _ in 0..<200 {
      let region = try SharedRegion.create(uniqueName("threads"), capacity: 8, metadata: [7])
      let shared = unsafe Borrowed(pointer: unsafe region.attachment)
      onThreads(6) { number in
        let attachment = unsafe shared.pointer
        switch number {
        case 0, 1: unsafe Zinc.Attachment.detach(attachment)
        case 2:
          var item = unsafe ZincWaitItem(handle: attachment, after: 0, is_new: 0)
          let result = unsafe withUnsafeMutablePointer(to: &item) {
            unsafe WaitSet(UnsafeMutableBufferPointer(start: $0, count: 1)).wait(
              forAll: false, seeing: true, deadline: .max)
          }
          #expect(result == .closed || result == .notified)
        case 3:
          while unsafe attachment.pointee.notification.wait(deadline: { .max }) != .closed {}
        case 4: for _ in 0..<100 { _ = unsafe attachment.pointee.notification.notify() }
        default:
          for i in 0..<100 {
            unsafe attachment.pointee.data.storeBytes(of: UInt8(i), as: UInt8.self)
            _ = unsafe attachment.pointee.notification.tryWait()
            #expect(unsafe attachment.pointee.metadata.first == 7)
            #expect(unsafe attachment.pointee.data.load(as: UInt8.self) == i)
          }
        }
      }
      #expect(region.sequence == 100)
    }
  }
}

/// A handle that threads share while its region is borrowed by the test.
@safe private struct Borrowed: @unchecked Sendable {
  let pointer: Zinc.Attachment.Handle
}
