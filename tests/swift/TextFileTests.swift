import CZinc
import Foundation
import Testing

@testable import Zinc

@Suite struct TextFileTests {
  @Test(
    arguments: [
      ("0-3,8\n", 5), ("5\n", 1), ("0-1", 2), ("0,2,4-6\n", 5), ("\n", nil), ("", nil), ("x", nil),
      ("3-1\n", nil),
    ] as [(String, UInt64?)]) func countsProcessorsOfALine(text: String, count: UInt64?) throws
  {
    let path = NSTemporaryDirectory() + uniqueName("list")
    try text.write(toFile: path, atomically: false, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(unsafe path.withCString { unsafe TextFile($0).countOfList() } == count)
  }

  @Test func whatIsNotThereIsEmpty() {
    #expect(unsafe TextFile(StaticString("/nothing/of/this/name").cString).countOfList() == nil)
    #expect(
      unsafe TextFile(StaticString("/proc/meminfo").cString).number(after: "MemTotal:") != nil)
  }
}
