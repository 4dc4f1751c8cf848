// swift-tools-version: 6.3
import PackageDescription

// A package of its own, as a user's is: what it needs, zinc itself need not depend on.
let package = Package(
  name: "zinc-programs",
  dependencies: [
    .package(name: "zinc", path: "../.."),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
  ],
  targets: [
    .target(name: "Place"),
    .executableTarget(
      name: "zinc-demo",
      dependencies: [
        "Place",
        .product(name: "Zinc", package: "zinc"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Sources/demo"),
    .executableTarget(
      name: "zinc-peer",
      dependencies: ["Place", .product(name: "Zinc", package: "zinc")],
      path: "Sources/peer"),
  ],
  swiftLanguageModes: [.v6]
)
