// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
]

// Apart from the product: Scripts/fuzz builds it, and with it all of SwiftQTL, with the address sanitizer. Uses the public API.
let package = Package(
  name: "FuzzReaders",
  dependencies: [.package(name: "SwiftQTL", path: "../../..")],
  targets: [
    .target(
      name: "CFuzzing",
      linkerSettings: ["hts", "deflate", "zstd", "sqlite3", "xxhash"].map { .linkedLibrary($0) }),
    .executableTarget(
      name: "FuzzReaders",
      dependencies: ["CFuzzing", .product(name: "SwiftQTL", package: "SwiftQTL")], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
