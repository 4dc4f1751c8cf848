// A Swift process that does with a region what it is told on standard input, a line a
// command, and answers with a line of JSON. The tests use it as the other side.
//
//     create NAME CAPACITY | open NAME    where the region is (Place), or the error
//     array NAME                          the same, of an array of 2 rows with 0 to 5
//     kind | metadata                     of the region
//     write OFFSET BYTE | read OFFSET     the byte
//     notify                              the sequence
//     wait MILLISECONDS                   1 or 0

import Foundation
import Place
import Zinc

struct Refusal: Encodable {
  let error: String
  let code: Int32
}

func serve(_ region: borrowing SharedRegion) throws {
  try report(region.withUnsafeBytes { try Place(of: $0) })
  while let line = readLine() {
    let words = line.split(separator: " ").map(String.init)
    let numbers = words.dropFirst().compactMap { Int($0) }
    switch words[0] {
    case "write":
      region.withUnsafeMutableBytes { $0[numbers[0]] = UInt8(numbers[1]) }
      try report(numbers[1])
    case "read": try report(region.withUnsafeBytes { $0[numbers[0]] })
    case "kind": try report(Int(region.kind))
    case "metadata": try report(String(decoding: region.metadata, as: UTF8.self))
    case "notify": try report(region.notify())
    case "wait": try report(region.wait(timeout: .milliseconds(numbers[0])) ? 1 : 0)
    default: fatalError("unknown command: \(line)")
    }
  }
}

let words = (readLine() ?? "").split(separator: " ").map(String.init)
do {
  switch words.first {
  case "create": try serve(SharedRegion.create(words[1], capacity: Int(words[2])!))
  case "array":
    let numbers: [Float] = [0, 1, 2, 3, 4, 5]
    let description = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}"
    try serve(
      SharedRegion.create(
        words[1], contents: numbers.span, metadata: [UInt8](description.utf8), kind: 1))
  case "open": try serve(SharedRegion.open(words[1]))
  default: fatalError("first create or open")
  }
} catch let error as ZincError {
  try report(Refusal(error: error.description, code: error.code.rawValue))
}
