import CZinc
import Testing

@testable import Zinc

@Suite struct LayoutTests {
  @Test func fieldsStandWhereTheLayoutSays() {
    #expect(MemoryLayout<czinc_header>.offset(of: \.magic) == 0)
    #expect(MemoryLayout<czinc_header>.offset(of: \.version) == 8)
    #expect(MemoryLayout<czinc_header>.offset(of: \.flags) == 10)
    #expect(MemoryLayout<czinc_header>.offset(of: \.sequence) == Header.sequenceOffset)
    #expect(MemoryLayout<czinc_header>.offset(of: \.capacity) == 16)
    #expect(MemoryLayout<czinc_header>.offset(of: \.parked) == Header.parkedOffset)
    #expect(MemoryLayout<czinc_header>.offset(of: \.creator_pid) == 28)
    #expect(MemoryLayout<czinc_header>.offset(of: \.created_at) == 32)
    #expect(MemoryLayout<czinc_header>.offset(of: \.id) == 40)
    #expect(MemoryLayout<czinc_header>.offset(of: \.data_offset) == 48)
    #expect(MemoryLayout<czinc_header>.offset(of: \.woken) == Header.wokenOffset)
    #expect(MemoryLayout<czinc_header>.offset(of: \.kind) == 64)
    #expect(MemoryLayout<czinc_header>.offset(of: \.metadata_length) == 68)
    #expect(MemoryLayout<czinc_header>.offset(of: \.kept_until) == Header.keptUntilOffset)
    #expect(MemoryLayout<czinc_header>.offset(of: \.tickets) == Header.ticketsOffset)
    #expect(Header.metadataOffset + Header.metadataCapacity == 4096)
  }

  @Test func headerOfANewRegionIsAsDesigned() throws {
    let name = uniqueName()
    let before = czinc_wall()
    let region = try SharedRegion.create(name, capacity: 5000, mode: 0o644, isPersistent: false)
    region.notify()
    let header = unsafe region.withUnsafeBytes {
      unsafe $0.baseAddress!.advanced(by: -Int(czinc_page_size()))
        .assumingMemoryBound(to: czinc_header.self).pointee
    }
    #expect(header.magic == 0x5A49_4E43_5F52_4547)
    #expect(header.version == 4)
    #expect(header.flags == 2)  // wake always: 0644 lets others only read
    #expect(header.sequence == 1)
    #expect(header.capacity == 5000)
    #expect(header.creator_pid == czinc_process())
    #expect(header.created_at >= before)
    #expect(header.id != 0)
    #expect(header.data_offset == UInt64(czinc_page_size()))
  }

  @Test(
    arguments: [
      (0o600, false), (0o644, true), (0o640, true), (0o604, true), (0o666, false), (0o620, false),
    ] as [(UInt32, Bool)])
  func wakesAlwaysWhereOthersOnlyRead(mode: UInt32, expected: Bool) throws {
    var options = RegionOptions()
    options.mode = mode
    let file = try RegionFile(capacity: 1, options)
    #expect(file.flags.contains(.wakeAlways) == expected)
  }
}
