import Foundation
import Testing
import Zinc

private func error(_ body: () throws -> Void) -> ZincError? {
  do {
    try body()
    return nil
  } catch {
    return error as? ZincError
  }
}

extension SharedStore {
  fileprivate func put(_ key: String, _ value: UInt64, replace: Bool = false) throws(ZincError) {
    try put(key, [value].span, replace: replace)
  }

  /// The first number of an object; nil if there is none.
  fileprivate func value(_ key: String) throws(ZincError) -> UInt64? {
    guard let object = try get(key) else { return nil }
    return unsafe object.withUnsafeBytes { unsafe $0.load(as: UInt64.self) }
  }
}

/// What the Swift interface of stores does.
@Suite(.timeLimit(.minutes(1))) struct StoreTests {
  @Test func objectsAreFoundByTheirKeys() throws {
    let name = uniqueName()
    let store = try SharedStore.create(name, capacity: 1 << 20)
    let other = try SharedStore.open(name)
    #expect(store.isCreated && !other.isCreated && store.name == name && store.isLinked)
    #expect(try other.value("a") == nil)
    let three: [Float] = [1, 2, 3]
    try store.put("a", three.span, metadata: [7, 8], kind: 1)
    let object = try other.get("a")!
    #expect(object.isReadonly && object.capacity == 12)
    #expect(object.metadata == [7, 8] && object.kind == 1)
    let numbers = unsafe object.withUnsafeBytes { unsafe Array($0.bindMemory(to: Float.self)) }
    #expect(numbers == three)
    #expect(error { try store.put("a", 1) }?.code == .alreadyExists)
    try other.put("a", 2, replace: true)
    #expect(try store.value("a") == 2)
    // Who has it open keeps it.
    let again = unsafe object.withUnsafeBytes { unsafe Array($0.bindMemory(to: Float.self)) }
    #expect(again == three)
    let (isThere, isAnother) = (try store.contains("a"), try store.contains("b"))
    #expect(isThere && !isAnother)
    try store.put("c", 3)
    let taken = try store.take("c")!
    #expect(taken.isReadonly && taken.capacity == 8)
    let isLeft = try store.take("c") != nil
    #expect(!isLeft)
    let (isRemoved, isTwice) = (try store.remove("a"), try store.remove("a"))
    #expect(isRemoved && !isTwice)
    #expect(try store.value("a") == nil)
  }

  @Test func objectIsThereOnceItIsSealed() throws {
    let store = try SharedStore.create(uniqueName(), capacity: 1 << 20)
    var building = try store.create("a", capacity: 16)
    do {
      var bytes = building.mutableBytes
      bytes.storeBytes(of: 77 as UInt64, toByteOffset: 0, as: UInt64.self)
    }
    #expect(building.capacity == 16)
    #expect(try store.value("a") == nil)
    #expect(try store.list().map(\.state) == [.building])
    try building.seal()
    #expect(try store.value("a") == 77)
    // What is not sealed is gone, and what somebody else was faster with.
    do {
      var given = try store.create("b", capacity: 8)
      unsafe given.withUnsafeMutableBytes { unsafe $0[0] = 1 }
    }
    #expect(try store.list().map(\.key) == ["a"])
    let late = try store.create("b", capacity: 8)
    try store.put("b", 5)
    do throws(ZincError) {
      try late.seal()
      Issue.record("two have one key")
    } catch {
      #expect(error.code == .alreadyExists)
    }
    #expect(try store.value("b") == 5)
    #expect(try store.info.used == 4 * page)
  }

  @Test func buildingOutlivesItsStoreInVain() throws {
    let name = uniqueName()
    func begun() throws -> SharedStore.Building {
      let store = try SharedStore.create(name, capacity: 1 << 20)
      return try store.create("a", capacity: 8)
    }
    do {
      let building = try begun()
      do throws(ZincError) {
        try building.seal()
        Issue.record("sealed in a store that is closed")
      } catch {
        #expect(error.description.contains("put into"))
      }
    }
    #expect(try Traces(of: name) == Traces(of: "nobody"))
  }

  @Test func oldestMakeWay() throws {
    let store = try SharedStore.create(uniqueName(), capacity: 6 * page)
    for (i, key) in ["a", "b", "c"].enumerated() { try store.put(key, UInt64(i)) }
    try store.pin("a")
    let held = try store.get("b")
    try store.put("d", 3)
    let keys = try store.list().filter { $0.state == .present }.map(\.key)
    #expect(Set(keys) == ["a", "b", "d"])
    // Its successor is pinned, too.
    try store.remove("d")
    try store.put("a", 9, replace: true)
    #expect(try store.find("a")?.isPinned == true)
    let freed = try store.evict(.max)
    #expect(freed == 0)
    try store.pin("a", false)
    #expect(try store.evict(1) == 2 * page)
    #expect(try store.contains("a") == false)
    #expect(error { try store.pin("a") }?.code == .notFound)
    #expect(held?.capacity == 8)
  }

  @Test(arguments: [SharedStore.Full.wait, .error]) func fullStoreRefuses(full: SharedStore.Full)
    throws
  {
    let store = try SharedStore.create(uniqueName(), capacity: 2 * page, full: full)
    try store.put("a", 1)
    let refusal = error { try store.put("b", [1].span, timeout: .milliseconds(2)) }
    #expect(refusal?.code == .noSpace)
    try store.remove("a")
    try store.put("b", 1)
    #expect(try store.info.full == full)
  }

  @Test func tellsWhatHappened() throws {
    let store = try SharedStore.create(uniqueName(), capacity: 4 * page)
    try store.put("a", 1)
    try store.put("b", 2)
    try store.remove("a")
    try store.evict(1)
    _ = try store.get("b")
    let seen = try store.events(since: 0)
    #expect(seen.events.map(\.key) == ["a", "b", "a", "b"] && seen.lost == 0 && seen.next == 4)
    #expect(seen.events.map(\.change) == [.put, .put, .removed, .evicted])
    #expect(seen.events.allSatisfy { $0.capacity == 8 && $0.time > 0 })
    let isNews = store.wait(timeout: .zero)
    #expect(isNews)
    let info = try store.info
    #expect(info.puts == 2 && info.removals == 1 && info.evictions == 1 && info.misses == 1)
    #expect(info.capacity == 4 * page && info.used == 0 && info.objects == 0 && info.events == 4)
    for i in 0..<600 { try store.put("c", UInt64(i), replace: true) }
    let late = try store.events(since: seen.next)
    #expect(late.lost == 600 - 512 && late.events.count == 512 && late.next == 604)
    let entry = try #require(try store.find("c"))
    #expect(entry.capacity == 8 && entry.memory == 2 * page && entry.createdAt > 0)
    #expect(entry.state == .present && entry.kind == 0 && !entry.isPinned)
  }

  @Test func refusesWhatCanNotBe() throws {
    let name = uniqueName()
    for capacity in [Int.min, -1, 0] {
      let refusal = error { _ = try SharedStore.create(name, capacity: capacity) }
      #expect(refusal?.code == .invalidArgument)
    }
    let tooLong = String(repeating: "n", count: 234)
    #expect(error { _ = try SharedStore.create(tooLong, capacity: 1) }?.code == .invalidArgument)
    #expect(error { _ = try SharedStore.open("nobody") }?.code == .notFound)
    let store = try SharedStore.openOrCreate(name, capacity: 1 << 20)
    #expect(store.isCreated == true)
    #expect(try SharedStore.openOrCreate(name, capacity: 1 << 20).isCreated == false)
    let another = error { _ = try SharedStore.openOrCreate(name, capacity: 1 << 19) }
    #expect(another?.code == .alreadyExists)
    let region = try SharedRegion.create("\(name)-region", capacity: 1)
    #expect(error { _ = try SharedStore.open(region.name) }?.code == .notARegion)
    let key = String(repeating: "k", count: 177)
    for call in [
      error { _ = try store.get(key) }, error { try store.put(key, 1) },
      error { try store.remove(key) }, error { _ = try store.contains(key) },
      error { try store.pin(key) }, error { _ = try store.create("a", capacity: 0) },
      error { _ = try store.create("a", capacity: .max) },
    ] { #expect(call?.code == .invalidArgument) }
    #expect(try store.info.used == 0)
    try store.put("", 3)
    #expect(try store.value("") == 3)
    try store.unlink()
    #expect(store.isLinked == false)
    #expect(try store.value("") == nil)
  }

  @Test func forkedChildTakesNothingOfItsParents() throws {
    let store = try SharedStore.create(uniqueName(), capacity: 1 << 20)
    let building = try store.create("a", capacity: 8)
    let child = fork()
    if child == 0 { _exit(inChild(store, building)) }
    var status: Int32 = 0
    let ended = unsafe waitpid(child, &status, 0)
    #expect(ended == child && status == 0, "wrong: \(status >> 8)")
    try building.seal()
    let isThere = try store.contains("a")
    #expect(try store.value("b") == 4 && isThere)
  }

  private func inChild(
    _ store: borrowing SharedStore, _ building: consuming SharedStore.Building
  ) -> Int32 {
    do {
      try store.put("b", 4)
    } catch {
      return 1
    }
    do throws(ZincError) {
      try building.seal()
      return 2
    } catch {
      return error.code == .invalidArgument ? 0 : 3
    }
  }
}
