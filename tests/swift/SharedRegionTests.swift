import Foundation
import Testing
import Zinc

@Suite struct SharedRegionTests {
  @Test(arguments: [1, 4095, 4096, 4097, 1 << 20 | 1])
  func openerSeesTheSameBytes(capacity: Int) throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: capacity)
    let other = try SharedRegion.open(name)
    #expect(region.capacity == capacity && other.capacity == capacity)
    #expect(region.name == name && other.name == name)
    unsafe region.withUnsafeMutableBytes {
      unsafe #expect($0.allSatisfy { $0 == 0 })
      unsafe $0[capacity - 1] = 7
      #expect(UInt(bitPattern: $0.baseAddress) % UInt(page) == 0)
    }
    #expect(unsafe other.withUnsafeBytes { unsafe $0[capacity - 1] } == 7)
  }

  @Test func metadataAndIdComeWithTheRegion() throws {
    let name = uniqueName()
    let metadata = [UInt8]("frames of 640 x 480".utf8)
    let region = try SharedRegion.create(name, capacity: 1, metadata: metadata)
    let other = try SharedRegion.openOrCreate(name, capacity: 1, metadata: [1])
    #expect(other.metadata == metadata)
    #expect(other.id == region.id)
    let unnamed = try SharedRegion.anonymous(capacity: 1, metadata: [2])
    #expect(unnamed.metadata == [2])
    #expect(unnamed.id != region.id)
    #expect(throws: ZincError.self) {
      _ = try SharedRegion.anonymous(capacity: 1, metadata: [UInt8](repeating: 0, count: 2049))
    }
  }

  @Test(.timeLimit(.minutes(1))) func openWaitsForWhatIsCreatedLater() async throws {
    let name = uniqueName()
    #expect(throws: ZincError.self) { _ = try SharedRegion.open(name, timeout: .milliseconds(20)) }
    async let opened = Task.detached { try SharedRegion.open(name, timeout: nil).id }.value
    let region = try SharedRegion.create(name, capacity: 1)
    #expect(try await opened == region.id)
  }

  @Test func replacementTakesTheName() throws {
    let name = uniqueName()
    let old = try SharedRegion.create(name, capacity: 1)
    let region = try SharedRegion.create(name, capacity: 2, replace: true)
    #expect(!old.isLinked && region.isLinked)
    let last = try SharedRegion.create(
      name, contents: [UInt8](repeating: 7, count: 3).span, replace: true)
    #expect(!region.isLinked && last.isLinked)
    #expect(try SharedRegion.open(name).capacity == 3)
  }

  @Test func contentsAreThereFromTheFirstOn() throws {
    let name = uniqueName()
    let contents = [UInt8]((0..<10_000).map { UInt8($0 % 251) })
    let region = try SharedRegion.create(name, contents: contents.span, metadata: [1, 2])
    let other = try SharedRegion.open(name)
    #expect(region.capacity == contents.count && other.metadata == [1, 2])
    let seen = unsafe other.withUnsafeBytes { unsafe [UInt8]($0) }
    #expect(seen == contents)
    #expect(throws: ZincError.self) {
      _ = try SharedRegion.create(name, contents: contents.span)
    }
    #expect(throws: ZincError.self) {
      _ = try SharedRegion.create(uniqueName(), contents: [UInt8]().span)
    }
  }

  @Test func groupIsThatOfTheFile() throws {
    let name = uniqueName()
    let own = getegid()
    func groupOfTheFile() -> gid_t {
      var status = stat()
      #expect(unsafe stat("/dev/shm/zinc_\(name)", &status) == 0)
      return status.st_gid
    }
    do {
      let region = try SharedRegion.create(name, capacity: 1, mode: 0o660, group: own)
      #expect(region.isLinked && groupOfTheFile() == own)
      let same = try SharedRegion.openOrCreate(name, capacity: 1, mode: 0o660, group: own)
      #expect(same.id == region.id)
    }
    do {
      let region = try SharedRegion.openOrCreate(name, capacity: 1, mode: 0o640, group: own)
      #expect(region.isCreated && groupOfTheFile() == own)
    }
    do {
      let contents: [UInt8] = [7]
      let region = try SharedRegion.create(name, contents: contents.span, mode: 0o620, group: own)
      #expect(region.isLinked && groupOfTheFile() == own)
    }
  }

  @Test func aloneIsWhoHasTheOnlyOne() throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: 1)
    do {
      let other = try SharedRegion.open(name)
      #expect(try !region.isAlone && !other.isAlone)
      #expect(try !region.waitUntilAlone(timeout: .milliseconds(30)))
      other.notify()
      #expect(try region.waitUntilAlone())
    }
    #expect(try region.isAlone)
    #expect(try !region.waitUntilAlone())
    #expect(throws: ZincError.self) { _ = try SharedRegion.anonymous(capacity: 1).isAlone }
  }

  @Test func regionThatNobodyElseHasTakesAnotherName() throws {
    let (name, next) = (uniqueName(), uniqueName())
    var region = try SharedRegion.create(name, capacity: 1)
    do {
      let other = try SharedRegion.open(name)
      #expect(try !region.rename(to: next))
      #expect(other.name == name && region.name == name)
    }
    #expect(try region.rename(to: next))
    #expect(region.name == next && region.isLinked)
    #expect(throws: ZincError.self) { _ = try SharedRegion.open(name) }
    #expect(try SharedRegion.open(next).capacity == 1)
    #expect(throws: ZincError.self) { _ = try region.rename(to: "a/b") }
  }

  @Test func keptRegionOutlivesItsLastUser() throws {
    let name = uniqueName()
    do { try SharedRegion.create(name, capacity: 1).keep(.seconds(3600)) }
    #expect(try SharedRegion.open(name).capacity == 1)
    try SharedRegion.unlink(name)
    do { try SharedRegion.create(name, capacity: 1).keep(.zero) }
    #expect(throws: ZincError.self) { _ = try SharedRegion.open(name) }
    let region = try SharedRegion.create(name, capacity: 1)
    #expect(throws: ZincError.self) { try region.keep(.seconds(-1)) }
    #expect(throws: ZincError.self) { try SharedRegion.anonymous(capacity: 1).keep(.seconds(1)) }
  }

  @Test func nameGoesWithTheLastUser() throws {
    let name = uniqueName()
    do {
      let second: SharedRegion
      do {
        let first = try SharedRegion.create(name, capacity: 1)
        second = try SharedRegion.open(first.name)
      }
      #expect(try Traces(of: name).exists)
      #expect(second.capacity == 1)
    }
    #expect(try Traces(of: name) == Traces(of: "nobody"))
  }

  @Test func writeThroughAReadonlyRegionIsAFault() async throws {
    await #expect(processExitsWith: .signal(SIGSEGV)) {
      let name = uniqueName()
      let region = try SharedRegion.create(name, capacity: 10)
      let reader = try SharedRegion.open(name, isReadonly: true)
      #expect([reader.isReadonly, region.isReadonly] == [true, false])
      #expect(reader.notify() == 1)
      unsafe region.withUnsafeMutableBytes { unsafe $0[9] = 1 }
      #expect(unsafe reader.withUnsafeBytes { unsafe $0[9] } == 1)
      unsafe unlink(file(of: name))  // nobody closes it
      unsafe reader.withUnsafeMutableBytes { unsafe $0[9] = 2 }
    }
  }

  @Test func exitLeavesNoName() async throws {
    let name = uniqueName("exit")
    await #expect(processExitsWith: .success) { [name = name as String] in
      let region = try SharedRegion.create(name, capacity: 10)
      let other = try SharedRegion.open(name)
      exit(region.capacity == other.capacity ? 0 : 1)
    }
    #expect(try Traces(of: name).exists == false)
  }

  @Test func handleSeesEachNotificationOnce() throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: 1)
    #expect(region.tryWait() == false)
    #expect(region.notify() == 1)
    #expect(region.notify() == 2)
    let late = try SharedRegion.open(name)
    #expect([late.tryWait(), late.tryWait()] == [true, false])
    #expect(
      [region.wait(timeout: .zero), region.wait(timeout: .milliseconds(1))] == [true, false])
    #expect(region.wait(after: 1) == true)
    #expect(region.wait(after: 2, timeout: .microseconds(10)) == false)
    #expect(region.sequence == 2)
  }

  @Test func memoryIsGivenBack() throws {
    let region = try SharedRegion.create(uniqueName(), capacity: 3 * page, reserve: false)
    #expect(try region.used == page)
    unsafe region.withUnsafeMutableBytes { bytes in
      for i in bytes.indices { unsafe bytes[i] = 1 }
    }
    #expect(try region.used == 4 * page)
    try region.trim(page - 1..<2 * page)
    #expect(try region.used == 3 * page)
    let ones = unsafe region.withUnsafeBytes { unsafe $0.count { $0 == 1 } }
    #expect(ones == 2 * page - 1)
    #expect(throws: ZincError.self) { try region.trim(0..<3 * page + 1) }
    #expect(throws: ZincError.self) { try region.trim(-1..<1) }
  }

  @Test func pagesAreTouchedInTheCall() throws {
    let region = try SharedRegion.create(uniqueName(), capacity: 8 << 20, pages: .prefaulted)
    #expect(region.shortfall == nil)
    let small = try SharedRegion.anonymous(capacity: 1, pages: [.huge, .prefaulted])
    #expect(small.shortfall?.contains("huge page") == true)
    let sparse = #expect(throws: ZincError.self) {
      _ = try SharedRegion.anonymous(capacity: 1, reserve: false, pages: .huge)
    }
    #expect(sparse?.code == .invalidArgument)
  }

  @Test func onlyWhoCreatedItIsToldSo() throws {
    let name = uniqueName()
    let first = try SharedRegion.openOrCreate(name, capacity: 1)
    let second = try SharedRegion.openOrCreate(name, capacity: 1)
    #expect(first.isCreated == true)
    #expect(second.isCreated == false)
  }

  @Test(.timeLimit(.minutes(1))) func removalOfTheNameIsNews() throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: 1)
    #expect(region.isLinked == true)
    let remover = Thread { try? SharedRegion.unlink(name) }
    remover.start()
    #expect(region.wait() == true)
    #expect(region.isLinked == false)
    let other = try SharedRegion.create(name, capacity: 1)
    try other.unlink()
    #expect(other.wait(timeout: .zero) == true)
    #expect(other.isLinked == false)
    #expect(region.sequence == 1)
    let anonymous = try SharedRegion.anonymous(capacity: 1)
    #expect(anonymous.isLinked == false)
  }

  @Test(.timeLimit(.minutes(1))) func waitEndsWhenAnotherThreadNotifies() throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: 1)
    let waiter = Thread {
      guard let other = try? SharedRegion.open(name) else { return }
      other.wait(after: 0)
      other.notify()
    }
    waiter.start()
    region.notify()
    #expect(region.wait(after: 1) == true)
    #expect(region.sequence == 2)
  }

  @Test func eventDescriptorIsReadableWhileThereIsNews() throws {
    let region = try SharedRegion.create(uniqueName(), capacity: 1)
    let descriptor = try region.eventDescriptor()
    func isReadable(_ timeout: Int32) -> Bool {
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      return unsafe poll(&entry, 1, timeout) == 1
    }
    #expect(try region.eventDescriptor() == descriptor)
    for _ in 0..<10 {
      #expect(isReadable(0) == false)
      region.notify()
      #expect(isReadable(60_000) == true)
      #expect(region.tryWait() == true)
    }
    #expect(isReadable(0) == false)
  }

  @Test func overlongTimeoutsDoNotTrap() throws {
    let region = try SharedRegion.create(uniqueName(), capacity: 1)
    region.notify()
    #expect(region.wait(timeout: .seconds(Int64.max)) == true)
    #expect(region.wait(timeout: .seconds(-5)) == false)
    #expect(region.wait(timeout: .nanoseconds(1)) == false)
    #expect(region.wait(after: 0, timeout: .seconds(Int64.max / 1_000_000_000)) == true)
  }
}
