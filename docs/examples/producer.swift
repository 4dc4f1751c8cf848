// A Swift program whose numbers Python reads: a region of doubles, written in place.
import Zinc

let count = 1_000_000
let size = count * MemoryLayout<Double>.stride
let region = try SharedRegion.create("measurements", capacity: size)

// The reader says that it is there; that is notification 1.
guard region.wait(after: 0, timeout: .seconds(30)) else { fatalError("no reader came") }
region.withUnsafeMutableBytes { bytes in
  let values = bytes.bindMemory(to: Double.self)
  for i in values.indices { values[i] = Double(i) }
}
let written = region.notify()  // all of it is seen by whoever returns from a wait
_ = region.wait(after: written, timeout: .seconds(30))
print("Swift: the reader is done")
