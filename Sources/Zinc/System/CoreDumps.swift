internal import CZinc
internal import Synchronization

/// Whether core files have the regions of the process.
///
/// What is shared is large, and may be secret; core files are sent around and kept. So they have
/// none of it, unless whoever starts the program asks: the environment is his.
enum CoreDumps {
  static let variable: StaticString = "ZINC_CORE_DUMPS"

  private static let wanted = Atomic<Bool>(false)
  static var areWanted: Bool { wanted.load(ordering: .relaxed) }

  /// Run as the library is loaded: later, another thread may be changing the environment.
  static func ask() {
    guard let value = unsafe czinc_environment(variable.cString) else { return }
    let first = unsafe UInt8(bitPattern: value.pointee)
    wanted.store(first != 0 && first != UInt8(ascii: "0"), ordering: .relaxed)
  }
}
