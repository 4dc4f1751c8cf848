// swift-tools-version: 6.3
import PackageDescription

let settings: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  // For spans as properties; who uses the package need not know.
  .enableExperimentalFeature("Lifetimes"),
]

let package = Package(
  name: "zinc",
  products: [
    // The name of the C library is its file name: libzinc.so.
    .library(name: "zinc", type: .dynamic, targets: ["Zinc"]),
    .library(name: "Zinc", targets: ["Zinc"]),
    // What `zinc bench` measures with; built by setup.py, which links it with libzinc.so.
    .library(name: "zincbench", type: .dynamic, targets: ["ZincBench"]),
  ],
  targets: [
    .target(name: "CZinc"),
    .target(name: "Zinc", dependencies: ["CZinc"], swiftSettings: settings),
    .target(name: "CZincBench"),
    .target(name: "ZincBench", dependencies: ["CZinc", "CZincBench"], swiftSettings: settings),
    .testTarget(
      name: "ZincTests", dependencies: ["Zinc", "CZinc"], path: "tests/swift",
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
