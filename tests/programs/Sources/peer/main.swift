// A Swift process that does with a region or a channel what it is told on standard input, a line a
// command, and answers with a line of JSON. The tests use it as the other side.
//
//     create NAME CAPACITY | open NAME    where the region is (Place), or the error
//     array NAME                          the same, of an array of 2 rows with 0 to 5
//     kind | metadata                     of the region
//     write OFFSET BYTE | read OFFSET     the byte
//     notify                              the sequence
//     wait MILLISECONDS                   1 or 0
//
// or with a channel:
//
//     channel NAME                        its slots
//     send TAG TEXT                       the number, or -1 if there was no room
//     loan TEXT | publish                 its length; the number of the loan of before
//     reader NAME HISTORY                 the number that it wants next
//     receive MILLISECONDS                the message, held until the next command, or null
//     lost                                how many
//
// or with a queue:
//
//     queue NAME CAPACITY                 its capacity; created
//     put TAG TEXT | close | join         the number, or -1 if there was no room; 1; 1
//     worker NAME                         how many messages it may be at work on
//     take MILLISECONDS                   the message, at work on until one of the next two, or null
//     done | back                         1

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

struct Received: Encodable {
  let number: UInt64
  let tag: UInt64
  let text: String
  var redelivered: Int?
}

func write(_ channel: borrowing SharedChannel) throws {
  try report(channel.slots)
  var lent: SharedChannel.Loan?
  while let line = readLine() {
    let words = line.split(separator: " ").map(String.init)
    switch words[0] {
    case "send":
      let number = try channel.send(
        Array(words[2].utf8).span, tag: UInt64(words[1])!, timeout: .zero)
      try report(number.map(Int.init) ?? -1)
    case "loan":
      let text = Array(words[1].utf8)
      var loan = try channel.loan(length: text.count, tag: 7)
      fill(loan.mutableSpan(of: UInt8.self), text)
      try report(loan.length)
      lent = consume loan
    case "publish": try report(lent.take()!.publish())
    default: fatalError("unknown command: \(line)")
    }
  }
}

func fill(_ span: consuming MutableSpan<UInt8>, _ bytes: [UInt8]) {
  for i in span.indices { span[i] = bytes[i] }
}

func read(_ reader: borrowing SharedChannel.Reader) throws {
  try report(reader.next)
  var held: SharedChannel.Message?
  while let line = readLine() {
    let words = line.split(separator: " ").map(String.init)
    switch words[0] {
    case "receive":
      held = try reader.receive(timeout: .milliseconds(Int(words[1])!))
      var answer: Received?
      if let message = held.take() {
        answer = received(message)
        held = consume message
      }
      try report(answer)
    case "lost": try report(reader.lost)
    default: fatalError("unknown command: \(line)")
    }
  }
}

func received(_ message: borrowing SharedChannel.Message) -> Received {
  let text = message.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
  return Received(number: message.number, tag: message.tag, text: text)
}

func received(_ task: borrowing SharedQueue.Task) -> Received {
  let text = task.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
  return Received(
    number: task.number, tag: task.tag, text: text, redelivered: task.redelivered)
}

func put(_ queue: borrowing SharedQueue) throws {
  try report(queue.capacity)
  while let line = readLine() {
    let words = line.split(separator: " ").map(String.init)
    switch words[0] {
    case "put":
      let number = try queue.send(
        Array(words[2].utf8).span, tag: UInt64(words[1])!, timeout: .zero)
      try report(number.map(Int.init) ?? -1)
    case "close":
      try queue.close()
      try report(1)
    case "join":
      try queue.join()
      try report(1)
    default: fatalError("unknown command: \(line)")
    }
  }
}

func work(_ worker: borrowing SharedQueue.Worker, views: Int) throws {
  try report(views)
  var held: SharedQueue.Task?
  while let line = readLine() {
    let words = line.split(separator: " ").map(String.init)
    switch words[0] {
    case "take":
      held = try worker.take(timeout: .milliseconds(Int(words[1])!))
      var answer: Received?
      if let task = held.take() {
        answer = received(task)
        held = consume task
      }
      try report(answer)
    case "done":
      let task = held.take()!
      try task.done()
      try report(1)
    case "back":
      held.take()!.giveBack()
      try report(1)
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
  case "channel": try write(SharedChannel.open(words[1]))
  case "reader": try read(SharedChannel.open(words[1]).reader(history: Int(words[2])!))
  case "queue":
    try put(SharedQueue.create(words[1], capacity: Int(words[2])!, slotSize: 20, workers: 2))
  case "worker":
    let queue = try SharedQueue.open(words[1])
    try work(queue.worker(), views: queue.views)
  default: fatalError("first create or open")
  }
} catch let error as ZincError {
  try report(Refusal(error: error.description, code: error.code.rawValue))
}
