internal import CZinc

/// Where this process is, for whoever sends it what leads to memory of another one.
struct Whereabouts {
  private(set) var machine: UInt64 = 0
  let memory: UInt64
  private(set) var processes: UInt64 = 0

  init() throws(Failure) {
    ForkGate.enter()
    defer { ForkGate.leave() }
    // Each tmpfs has a device number of its own. It may be 0 for none, so one more.
    let folder = unsafe try Descriptor(opening: SharedFolder.path, isWritable: false)
    memory = try folder.status().device &+ 1
    try check(unsafe czinc_whereabouts(&machine, &processes), "read /proc")
  }
}
