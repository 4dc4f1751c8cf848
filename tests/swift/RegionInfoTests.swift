import Foundation
import Testing
import Zinc

@Suite struct RegionInfoTests {
  @Test func tellsWhatARegionIs() throws {
    let name = uniqueName()
    let region = try SharedRegion.create(
      name, capacity: 5000, mode: 0o640, metadata: [1, 2, 3], kind: 1000)
    region.notify()
    region.notify()
    let info = try SharedRegion.examine(name)
    #expect(info.state == .attached)
    #expect(!info.isPersistent && info.wakesAlways)  // the group may only read
    #expect(info.capacity == 5000 && info.dataOffset == page)
    #expect(try info.memory == region.used)
    #expect(info.kind == 1000 && info.metadata == [1, 2, 3])
    #expect(info.sequence == 2 && info.id == region.id)
    #expect(info.creatorPID == getpid() && info.owner == geteuid() && info.mode == 0o640)
    let age = Date().timeIntervalSince1970 - Double(info.createdAt) / 1e9
    #expect(0..<3600 ~= age)
    var status = stat()
    #expect(unsafe stat(file(of: name), &status) == 0)
    #expect(info.device == UInt64(status.st_dev) && info.inode == UInt64(status.st_ino))
    #expect(try SharedRegion.examine(name) == info)
    #expect(region.tryWait() == true)  // nothing has been taken from who waits
  }

  @Test func tellsWhichRegionsAreUnattachedAndDead() throws {
    let name = uniqueName()
    do { _ = try SharedRegion.create(name, capacity: 1, isPersistent: true) }
    defer { try? SharedRegion.unlink(name) }
    let kept = try SharedRegion.examine(name)
    #expect(kept.state == .unattached && kept.isPersistent && !kept.wakesAlways)
    // As a kill leaves it: the file without the lock.
    let dead = uniqueName()
    let region = try SharedRegion.create(uniqueName(), capacity: 1)
    try FileManager.default.copyItem(atPath: file(of: region.name), toPath: file(of: dead))
    defer { try? SharedRegion.unlink(dead, force: true) }
    #expect(try SharedRegion.examine(dead).state == .dead)
    #expect(FileManager.default.fileExists(atPath: file(of: dead)))
  }

  @Test func namesAreThoseOfRegionsAndOfWhatIsCalledLikeOne() throws {
    let name = uniqueName()
    let junk = name + "-junk"
    let region = try SharedRegion.create(name, capacity: 1)
    try Data().write(to: URL(fileURLWithPath: file(of: junk)))
    defer { try? FileManager.default.removeItem(atPath: file(of: junk)) }
    let names = SharedRegion.regions()
    #expect(names.filter { $0.hasPrefix(name) } == [name, junk])
    #expect(names == names.sorted())
    try region.unlink()
    #expect(!SharedRegion.regions().contains(name))
    #expect { try SharedRegion.examine(junk) } throws: {
      ($0 as? ZincError)?.code == .notARegion
    }
    #expect { try SharedRegion.examine(name) } throws: {
      let error = $0 as? ZincError
      return error?.code == .notFound && error?.description.contains("examine \"\(name)\"") == true
    }
    for impossible in ["", "a/b", "a\0b"] {
      #expect { try SharedRegion.examine(impossible) } throws: {
        ($0 as? ZincError)?.code == .invalidArgument
      }
    }
  }

  @Test func placeIsThatOfTheProcess() throws {
    let place = try Zinc.place()
    let bootID = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
    let digits = bootID.filter { $0 != "-" }.prefix(16)
    #expect(place.machine == UInt64(digits, radix: 16))
    var folder = stat()
    let status = unsafe stat("/dev/shm", &folder)
    #expect(status == 0)
    #expect(place.memory == 1 + UInt64(folder.st_dev))
    #expect(try Zinc.place() == place)
    #expect(place.description.split(separator: ".").count == 3)
  }
}
