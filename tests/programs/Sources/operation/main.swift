// One operation on a region, for the test that kills this process at each of its system
// calls: zinc-operation OPERATION NAME. The operation stands between two calls of
// getppid, so that the test knows where it begins and ends. What has to be there
// before (an open handle, say) is made before the first.

import Foundation
import Zinc

let (operation, name) = (CommandLine.arguments[1], CommandLine.arguments[2])
let capacity = 8192

func marked(_ body: () throws -> Void) rethrows {
  _ = getppid()
  defer { _ = getppid() }
  try body()
}

/// Closes the region between the marks.
func close(_ region: consuming SharedRegion) {
  var region: SharedRegion? = region
  marked { region = nil }
}

do {
  switch operation {
  case "create": try marked { _ = try SharedRegion.create(name, capacity: capacity) }
  case "share":
    let contents = [UInt8]((0..<capacity).map { UInt8($0 % 256) })
    try marked { _ = try SharedRegion.create(name, contents: contents.span) }
  case "replace":
    try marked { _ = try SharedRegion.create(name, capacity: capacity, replace: true) }
  case "open": try marked { _ = try SharedRegion.open(name) }
  case "open-or-create":
    try marked { _ = try SharedRegion.openOrCreate(name, capacity: capacity) }
  case "close": close(try SharedRegion.openOrCreate(name, capacity: capacity))
  case "reclaim": marked { SharedRegion.reclaim() }
  case "unlink": try marked { try SharedRegion.unlink(name) }
  case "notify":
    let region = try SharedRegion.openOrCreate(name, capacity: capacity)
    marked { region.notify() }
  case "wait":
    let region = try SharedRegion.openOrCreate(name, capacity: capacity)
    marked { region.wait(after: region.sequence, timeout: .milliseconds(20)) }
  default: fatalError("unknown operation: \(operation)")
  }
} catch let error as ZincError {
  print(error)
  exit(3)
}
