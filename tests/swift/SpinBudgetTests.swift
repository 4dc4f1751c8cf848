import CZinc
import Glibc
import Testing

@testable import Zinc

@Suite struct SpinBudgetTests {
  init() { Processors.find() }

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

  @Test(.enabled(if: czinc_processors() > 1)) func isNoSmallerWhereTheProcessIsPinned() {
    withAffinity(1) { #expect((0..<10).contains { _ in looks(SpinBudget()) > 1 }) }
  }

  @Test func fallsToNothing() {
    let budgets = (0..<4096).map { SpinBudget.budget(after: $0) }
    #expect(budgets[..<4].elementsEqual([8_000, 4_000, 2_000, 1_000]))
    let attempts = budgets.indices.filter { budgets[$0] == 64_000 }
    #expect(attempts == [15, 31, 63, 127, 255, 511, 1023, 2047, 3071, 4095])
    #expect(budgets[16...].allSatisfy { $0 == 0 || $0 == 64_000 })
  }

  @Test(.enabled(if: czinc_processors() > 1)) func shrinksWhileSpinningDoesNotPay() {
    let budget = SpinBudget()
    // Best of many: who is interrupted looks less often.
    let first = (0..<100).map { _ in looks(SpinBudget()) }.max() ?? 0
    for _ in 0..<3 { _ = looks(budget) }
    let later = (3..<15).map { _ in looks(budget) }
    #expect(later.max() ?? 0 < first / 2)
    #expect(looks(budget) > first)
    #expect((16..<31).allSatisfy { _ in looks(budget) == 0 })
    #expect(looks(budget) > first)
    for _ in 0..<3 { #expect(looks(budget) == 0) }
    let again = (0..<100).map { _ in
      // An attempt that pays makes it what it was at first.
      let other = SpinBudget()
      for _ in 0..<15 { _ = looks(other) }
      #expect(other.spin(until: .max) { true })
      return looks(other)
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
