import Foundation
import Testing
import Zinc

/// Each row of the error table, as Swift meets it.
@Suite struct ErrorTests {
  /// Calls `body`, expects this error and that it left nothing behind.
  func expect(
    _ code: ZincError.Code, _ name: String, says parts: [String] = [],
    _ body: () throws(ZincError) -> Void, location: SourceLocation = #_sourceLocation
  ) throws {
    let before = try Traces(of: name)
    do {
      try body()
      Issue.record("no error", sourceLocation: location)
    } catch {
      #expect(error.code == code, sourceLocation: location)
      for part in parts {
        #expect(error.description.contains(part), sourceLocation: location)
      }
    }
    #expect(try Traces(of: name) == before, sourceLocation: location)
  }

  @Test func livingNameIsTaken() throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: 1)
    try expect(.alreadyExists, name, says: ["create", name, "already exists"]) {
      () throws(ZincError) in _ = try SharedRegion.create(name, capacity: 1)
    }
    #expect(region.capacity == 1)
  }

  @Test func nobodyHasTheName() throws {
    let name = uniqueName()
    try expect(.notFound, name, says: ["open", name, "not found"]) {
      () throws(ZincError) in _ = try SharedRegion.open(name)
    }
  }

  @Test(arguments: [
    "", "a/b", ".", "..", "a b", "é", "a\n", "a\0b", "\0", String(repeating: "x", count: 251),
    String(repeating: "é", count: 5000),
  ])
  func impossibleNames(name: String) throws {
    try expect(.invalidArgument, "nobody", says: ["1 to 250 characters"]) {
      () throws(ZincError) in _ = try SharedRegion.create(name, capacity: 1)
    }
    try expect(.invalidArgument, "nobody") {
      () throws(ZincError) in _ = try SharedRegion.open(name)
    }
  }

  @Test func longestName() throws {
    let name = String(repeating: "x", count: 250)
    #expect(try SharedRegion.create(name, capacity: 1).name == name)
  }

  @Test(arguments: [0, -1, Int.min, Int.max, Int.max - 4096])
  func impossibleCapacities(capacity: Int) throws {
    let name = uniqueName()
    try expect(.invalidArgument, name, says: [name, "capacity"]) {
      () throws(ZincError) in _ = try SharedRegion.create(name, capacity: capacity)
    }
  }

  @Test(arguments: [0, 0o400, 0o1600, 0o1777, UInt32.max])
  func impossibleModes(mode: UInt32) throws {
    let name = uniqueName()
    try expect(.invalidArgument, name, says: ["mode"]) {
      () throws(ZincError) in _ = try SharedRegion.create(name, capacity: 1, mode: mode)
    }
  }

  @Test(
    arguments: [
      (0o600, 0, "gives the group nothing"), (0o606, 0, "gives the group nothing"),
      (0o660, .max, "no group"),
    ] as [(UInt32, UInt32, String)])
  func impossibleGroups(mode: UInt32, group: UInt32, text: String) throws {
    let name = uniqueName()
    try expect(.invalidArgument, name, says: [text]) {
      () throws(ZincError) in
      _ = try SharedRegion.create(name, capacity: 1, mode: mode, group: group)
    }
  }

  @Test func tooLittleMemory() throws {
    let name = uniqueName()
    try expect(.noSpace, name, says: ["\((1 << 50) + page) bytes do not fit", "/dev/shm has "]) {
      () throws(ZincError) in _ = try SharedRegion.create(name, capacity: 1 << 50)
    }
  }

  @Test(.enabled(if: geteuid() == 0)) func regionOfAnotherUser() throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: 1)
    unsafe #expect(chown(file(of: name), 65534, 65534) == 0)
    try expect(.notPermitted, name, says: ["user 65534"]) {
      () throws(ZincError) in _ = try SharedRegion.open(name)
    }
    #expect(try SharedRegion.open(name, anyUser: true).capacity == region.capacity)
  }

  @Test func somethingElseHasThePlace() throws {
    let name = uniqueName()
    let path = file(of: name)
    try "some text that is longer than a header, so that there is something to read".write(
      toFile: path, atomically: false, encoding: .utf8)
    defer { unsafe unlink(path) }
    try expect(.notARegion, name, says: ["open", name, "not a region"]) {
      () throws(ZincError) in _ = try SharedRegion.open(name)
    }
    try expect(.alreadyExists, name, says: ["not a zinc region"]) {
      () throws(ZincError) in _ = try SharedRegion.create(name, capacity: 1)
    }
  }
}
