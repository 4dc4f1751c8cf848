import Foundation
import Testing

let page = sysconf(Int32(_SC_PAGESIZE))

/// A name that no other test has.
func uniqueName(_ label: String = "swift") -> String {
  "\(label)-\(getpid())-\(UInt32.random(in: 0 ... .max))"
}

/// Where a name's object is.
func file(of name: String) -> String { "/dev/shm/zinc_\(name)" }

/// What a failing call must leave as it was: descriptors and mappings of
/// a name, and whether there is one.
struct Traces: Equatable {
  var descriptors = 0
  var mappings = 0
  var exists = false

  init(of name: String) throws {
    let files = FileManager.default
    for entry in try files.contentsOfDirectory(atPath: "/proc/self/fd") {
      let target = try? files.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(entry)")
      if let target, target.contains("zinc_\(name)") { descriptors += 1 }
    }
    // Not String(contentsOfFile:), which fails now and then on files of /proc.
    let maps = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/maps")).readToEnd()
    let lines = String(decoding: maps ?? Data(), as: UTF8.self).split(separator: "\n")
    mappings = lines.count { $0.contains("zinc_\(name)") }
    exists = files.fileExists(atPath: file(of: name))
  }
}
