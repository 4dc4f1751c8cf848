// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CZinc
internal import CZincBench

// What it costs to make shared memory, to attach to it, and to be rid of it.

/// Does four things in turn, `rounds` times, and keeps the time that each took.
private func timed(
  _ rounds: UInt64, _ times: [4 of UnsafeMutablePointer<UInt64>], _ steps: (Int) -> Bool
) -> Int32 {
  for round in 0..<Int(rounds) {
    for step in 0..<4 {
      let start = zincbench_now()
      guard steps(step) else { return -1 }
      unsafe times[step][round] = zincbench_now() - start
    }
  }
  return 0
}

@c @implementation
public func zincbench_zinc_lives(
  _ name: UnsafePointer<CChar>!, _ size: UInt64, _ rounds: UInt64,
  _ created: UnsafeMutablePointer<UInt64>!, _ opened: UnsafeMutablePointer<UInt64>!,
  _ closed: UnsafeMutablePointer<UInt64>!, _ removed: UnsafeMutablePointer<UInt64>!
) -> Int32 {
  var mine: ZincHandle? = nil
  var other: ZincHandle? = nil
  return unsafe timed(rounds, [created, opened, closed, removed]) { step in
    switch step {
    case 0: return unsafe zinc_region_create(name, UInt(size), nil, &mine) == 0
    case 1: return unsafe zinc_open(name, &other) == 0
    case 2: unsafe zinc_close(other)
    default: unsafe zinc_close(mine)
    }
    return true
  }
}

@c @implementation
public func zincbench_raw_lives(
  _ path: UnsafePointer<CChar>!, _ size: UInt64, _ reserve: Int32, _ rounds: UInt64,
  _ created: UnsafeMutablePointer<UInt64>!, _ opened: UnsafeMutablePointer<UInt64>!,
  _ closed: UnsafeMutablePointer<UInt64>!, _ removed: UnsafeMutablePointer<UInt64>!
) -> Int32 {
  var mine: UnsafeMutableRawPointer? = nil
  var other: UnsafeMutableRawPointer? = nil
  return unsafe timed(rounds, [created, opened, closed, removed]) { step in
    switch step {
    case 0:
      unsafe mine = zincbench_raw_create(path, size, reserve)
      return unsafe mine != nil
    case 1:
      unsafe other = zincbench_raw_open(path)
      return unsafe other != nil
    case 2:
      unsafe zincbench_raw_close(other!, size)
    default:
      unsafe zincbench_raw_unlink(path)
      unsafe zincbench_raw_close(mine!, size)
    }
    return true
  }
}
