// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CZinc
public import CZincBench
internal import Synchronization

/// Rounds of question and answer between two processes. Each kind of channel gets loops of its
/// own, in which its calls are inlined as they are in a user's program.
@safe struct Conversation<Question: Channel> {
  let talk: ZincBenchTalk
  let question: Question
  let answer: Question.Answer

  init(_ talk: ZincBenchTalk) {
    unsafe self.talk = talk
    question = unsafe Question(talk.there)
    answer = unsafe Question.Answer(talk.back)
  }

  func ask() {
    var next = zincbench_now()
    for i in unsafe 0..<Int(talk.rounds) {
      let round = UInt32(truncatingIfNeeded: i) &+ 1
      if unsafe talk.pause != 0 {
        unsafe next += talk.pause
        zincbench_sleep_until(next)
      }
      if let payload = unsafe talk.payload {
        unsafe zincbench_write(payload, talk.payload_size, UInt64(round))
      }
      if let sent = unsafe talk.sent { unsafe sent[i] = zincbench_now() }
      question.say(round)
      answer.hear(round)
      if let answered = unsafe talk.answered { unsafe answered[i] = zincbench_now() }
    }
  }

  func reply() -> UInt64 {
    var wrong: UInt64 = 0
    for i in unsafe 0..<Int(talk.rounds) {
      let round = UInt32(truncatingIfNeeded: i) &+ 1
      question.hear(round)
      if let heard = unsafe talk.heard { unsafe heard[i] = zincbench_now() }
      if let payload = unsafe talk.payload {
        let sum = unsafe zincbench_read(payload, talk.payload_size)
        if let used = unsafe talk.used { unsafe used[i] = zincbench_now() }
        if unsafe sum != UInt64(round) &* (talk.payload_size / 8) { wrong += 1 }
      }
      if isLast(round) { answer.say(round) }
    }
    return wrong
  }

  /// Whether all the others of a crowd have heard this round before.
  private func isLast(_ round: UInt32) -> Bool {
    guard let present = unsafe talk.present else { return true }
    let count = unsafe UnsafeMutableRawPointer(present).assumingMemoryBound(to: Atomic<UInt32>.self)
    let heard = unsafe count.pointee.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
    return unsafe heard == round &* UInt32(truncatingIfNeeded: talk.crowd)
  }
}

@c @implementation
public func zincbench_ask(_ channel: UInt32, _ talk: UnsafePointer<ZincBenchTalk>!) {
  let talk = unsafe talk.pointee
  switch Int(channel) {
  case ZINCBENCH_SPIN: unsafe Conversation<Spin>(talk).ask()
  case ZINCBENCH_FUTEX: unsafe Conversation<Futex>(talk).ask()
  case ZINCBENCH_RAW: unsafe Conversation<Raw>(talk).ask()
  case ZINCBENCH_FILE: unsafe Conversation<File>(talk).ask()
  case ZINCBENCH_SEMAPHORE: unsafe Conversation<Semaphore>(talk).ask()
  case ZINCBENCH_WAIT: unsafe Conversation<Wait>(talk).ask()
  case ZINCBENCH_TRY_WAIT: unsafe Conversation<TryWait>(talk).ask()
  case ZINCBENCH_SLEEP: unsafe Conversation<Sleep>(talk).ask()
  case ZINCBENCH_MESSAGE: unsafe Conversation<Message>(talk).ask()
  case ZINCBENCH_MESSAGE_SLEEP: unsafe Conversation<MessageSleep>(talk).ask()
  default: unsafe Conversation<Crowd>(talk).ask()
  }
}

@c @implementation
public func zincbench_answer(_ channel: UInt32, _ talk: UnsafePointer<ZincBenchTalk>!) -> UInt64 {
  let talk = unsafe talk.pointee
  return switch Int(channel) {
  case ZINCBENCH_SPIN: unsafe Conversation<Spin>(talk).reply()
  case ZINCBENCH_FUTEX: unsafe Conversation<Futex>(talk).reply()
  case ZINCBENCH_RAW: unsafe Conversation<Raw>(talk).reply()
  case ZINCBENCH_FILE: unsafe Conversation<File>(talk).reply()
  case ZINCBENCH_SEMAPHORE: unsafe Conversation<Semaphore>(talk).reply()
  case ZINCBENCH_WAIT: unsafe Conversation<Wait>(talk).reply()
  case ZINCBENCH_TRY_WAIT: unsafe Conversation<TryWait>(talk).reply()
  case ZINCBENCH_SLEEP: unsafe Conversation<Sleep>(talk).reply()
  case ZINCBENCH_MESSAGE: unsafe Conversation<Message>(talk).reply()
  case ZINCBENCH_MESSAGE_SLEEP: unsafe Conversation<MessageSleep>(talk).reply()
  default: unsafe Conversation<Crowd>(talk).reply()
  }
}
