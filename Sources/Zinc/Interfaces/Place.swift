// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc

  /// Where a process is, for whoever sends it what leads to a region.
  ///
  /// A region's name leads to it wherever `machine` and `memory` are the same; an anonymous region can
  /// be reached through `/proc` where `machine` and `processes` are.
  public struct Place: Sendable, Hashable, CustomStringConvertible {
    /// A random number that the machine has had since it was started.
    public let machine: UInt64
    /// Its folder of regions: a container may have one of its own.
    public let memory: UInt64
    /// Which processes can see each other, as those of a container.
    public let processes: UInt64

    /// The text that `zinc.place()` in Python gives.
    public var description: String {
      let numbers = [machine, memory, processes].map { String($0, radix: 16) }
      return numbers.joined(separator: ".")
    }
  }

  /// Where this process is.
  ///
  /// - Throws: what the system says where it tells no such thing, as without `/proc`.
  public func place() throws(ZincError) -> Place {
    do throws(Failure) {
      let found = try Whereabouts()
      return Place(
        machine: found.machine, memory: found.memory, processes: found.processes)
    } catch {
      throw unsafe ZincError("find the place", nil, error)
    }
  }
#endif
