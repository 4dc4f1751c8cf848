// A Swift program whose numbers Python reads: a message of doubles, written in place.
import Zinc

let count = 1_000_000

func produce() throws {
  let channel = try SharedChannel.create(
    "measurements", slots: 2, slotSize: count * MemoryLayout<Double>.stride)
  guard try channel.waitForReaders(1, timeout: .seconds(30)) else { fatalError("no reader came") }
  var loan = try channel.loan()
  do {
    var values = loan.mutableSpan(of: Double.self)
    for i in values.indices { values[i] = Double(i) }
  }
  let number = try loan.publish()  // nobody can write to it any more
  print("Swift: published message \(number)")
}

try produce()
