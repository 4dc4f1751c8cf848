// The library for C and Python has no use for Swift's generics.
#if !hasFeature(Embedded)
  internal import CZinc
  public import Synchronization

  extension SharedRegion {
    /// Calls `body` with the number at byte `offset` of the data, for atomic operations on what
    /// other processes change at the same time. `waitWhile` sleeps until it changes, if who changes
    /// it notifies.
    ///
    ///     try region.withAtomic(at: 8, as: UInt64.self) { $0.add(1, ordering: .relaxed) }
    ///     region.notify()
    ///
    /// - Parameters:
    ///   - offset: of the number, a multiple of its size, 4 or 8 bytes.
    ///   - type: of the number.
    ///   - body: is given the number, which must not outlive the call.
    /// - Throws: `ZincError`: `invalidArgument` for an offset or a type that can't be,
    ///   `notPermitted` if the region is read-only; what `body` throws.
    public func withAtomic<Number: AtomicRepresentable, Result>(
      at offset: Int, as type: Number.Type, _ body: (borrowing Atomic<Number>) throws -> Result
    ) throws -> Result {
      let place: UnsafeMutableRawPointer
      do throws(Failure) {
        let bytes = MemoryLayout<Number>.size
        unsafe place = unsafe try Attachment.number(attachment, at: offset, bytes: bytes)
        if isReadonly { throw Failure(EACCES, "the region is read-only here") }
      } catch {
        throw unsafe ZincError("find a number in", attachment.pointee.nameForMessages, error)
      }
      return try unsafe body(place.assumingMemoryBound(to: Atomic<Number>.self).pointee)
    }

    /// Waits until the number at byte `offset` of the data is not `value` any more, within
    /// `timeout`; nil waits for ever. False if it still was. A change of which nobody tells, by
    /// `notify`, is seen within 20 ms.
    ///
    /// - Throws: `ZincError`: `invalidArgument` for an offset or a type that can't be.
    public func waitWhile<Number: FixedWidthInteger>(
      _ value: Number, at offset: Int, timeout: Duration? = nil
    ) throws(ZincError) -> Bool {
      let deadline = SharedRegion.deadline(timeout)
      do throws(Failure) {
        let bits =
          Number.bitWidth == 32
          ? UInt64(UInt32(truncatingIfNeeded: value)) : UInt64(truncatingIfNeeded: value)
        return unsafe try Attachment.wait(
          attachment, whileNumberAt: offset, bytes: Number.bitWidth / 8, is: bits, [],
          until: deadline) == 0
      } catch {
        throw unsafe ZincError("wait for a number in", attachment.pointee.nameForMessages, error)
      }
    }
  }
#endif
