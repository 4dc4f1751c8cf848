import CZinc
import Glibc
import Testing

@testable import Zinc

@Suite struct SpinBudgetTests {
  /// How often a wait looks before it gives up, in groups of 32.
  func looks(_ budget: borrowing SpinBudget) -> Int {
    var count = 0
    #expect(
      !budget.spin(until: .max) {
        count += 1
        return false
      })
    return count
  }

  /// Runs `body` with this thread allowed on these processors only.
  func withAffinity(_ mask: UInt8, _ body: () -> Void) {
    var before = cpu_set_t()
    unsafe sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &before)
    var set = cpu_set_t()
    unsafe withUnsafeMutableBytes(of: &set) { unsafe $0[0] = mask }
    #expect(unsafe sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0)
    body()
    unsafe sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &before)
  }

  @Test func isZeroWhereTheProcessHasOneProcessor() {
    withAffinity(1) {
      #expect(czinc_processors() == 1)
      #expect(looks(SpinBudget()) == 0)
    }
  }

  @Test(.enabled(if: czinc_processors() > 1)) func shrinksWhileSpinningDoesNotPay() {
    let budget = SpinBudget()
    // Best of many: who is interrupted looks less often.
    let first = (0..<100).map { _ in looks(SpinBudget()) }.max() ?? 0
    for _ in 0..<3 { _ = looks(budget) }
    let later = (3..<15).map { _ in looks(budget) }
    #expect(later.max() ?? 0 < first / 2)
    let patient = (15..<160).filter { _ in looks(budget) > first }
    #expect(patient.allSatisfy { $0 % 16 == 15 })
    #expect(budget.spin(until: .max) { true })
    let again = (0..<100).map { _ in
      #expect(budget.spin(until: .max) { true })
      return looks(budget)
    }
    #expect(again.max() ?? 0 > first / 2)
  }

  @Test func stopsAtTheDeadline() {
    var count = 0
    let budget = SpinBudget()
    #expect(
      !budget.spin(until: 1) {
        count += 1
        return false
      })
    #expect(count <= 32)
  }
}
