// Sends numbers: send NAME TIMES. Waits for a reader first; killed and started again, it goes on.
import Zinc

func send(to name: String, times: Int) throws {
  let channel = try SharedChannel.openOrCreate(name, slotSize: 8, full: .wait)
  try channel.waitForReaders(1)
  for number in stride(from: 1, through: times, by: 1) {
    var loan = try channel.loan()  // a slot of shared memory that nobody reads
    do {
      var values = loan.mutableSpan(of: Double.self)
      values[0] = Double(number) / 2
    }
    try loan.publish()
  }
}

let arguments = CommandLine.arguments
guard arguments.count == 3, let times = Int(arguments[2]) else { fatalError("send NAME TIMES") }
try send(to: arguments[1], times: times)
