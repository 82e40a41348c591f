// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
]

/// A library module of ours with its tests beside it (`Tests/<name>Tests`).
func module(_ name: String, _ dependencies: [Target.Dependency], tests: [Target.Dependency] = [])
  -> [Target]
{
  [
    .target(name: name, dependencies: dependencies, swiftSettings: strict),
    .testTarget(
      name: name + "Tests",
      dependencies: [.target(name: name), "TestSupport"] + dependencies + tests,
      swiftSettings: strict),
  ]
}

/// What `SwiftQTL` re-exports. Targets that import it name these as well: SwiftPM compiles a target anew when one of those it names
/// changes, not when one does that it sees through another, and would link objects that do not fit each other.
let exported: [Target.Dependency] = [
  "LinearAlgebra", "Distributions", "StudyData", "StudyIO", "MultipleTesting", "MixedModels", "Association",
  "Simulation", "ResultTables", "Host",
]

let package = Package(
  name: "SwiftQTL",
  products: [
    .library(name: "SwiftQTL", targets: ["SwiftQTL"]),
    .executable(name: "swiftqtl", targets: ["SwiftQTLCommand"]),
    // For CMakeShims, which makes libswiftqtl.so of it.
    .library(name: "SwiftQTLC", type: .static, targets: ["SwiftQTLC"]),
    // For the benchmark package only.
    .library(name: "ScanKernels", targets: ["CScanKernels"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // Debian's libraries; each is seen by one module of ours only.
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CLAPACKE", pkgConfig: "lapacke", providers: [.apt(["liblapacke-dev"])]),
    .systemLibrary(name: "CHTSlib", pkgConfig: "htslib", providers: [.apt(["libhts-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    // C and C++ of ours.
    .target(name: "CScanKernels", linkerSettings: [.linkedLibrary("m")]),
    .target(name: "CText"),
    .target(name: "CSwiftQTL"),
    .target(name: "CSpecialFunctions"),
  ]
    + module("LinearAlgebra", ["COpenBLAS", "CLAPACKE"])
    + module("Distributions", ["CSpecialFunctions", "CText"])
    + module("StudyData", ["LinearAlgebra"])
    + [
      .target(name: "Parquet", dependencies: ["CZstd"], swiftSettings: strict),
      .testTarget(
        name: "ParquetTests", dependencies: ["Parquet", "TestSupport"],
        exclude: ["read_parquet.py", "requirements.txt"],
        swiftSettings: strict),
    ]
    + module("MultipleTesting", ["Distributions", "LinearAlgebra"])
    + module(
      "StudyIO",
      [
        "StudyData", "LinearAlgebra", "MultipleTesting", "Parquet", "CHTSlib", "CZstd", "CDeflate", "CSQLite",
        "CText", "CXXHash", "CScanKernels",
      ])
    + module("MixedModels", ["StudyData", "LinearAlgebra", "Distributions", "CScanKernels"])
    + module(
      "Association",
      ["StudyData", "LinearAlgebra", "Distributions", "MultipleTesting", "MixedModels", "CScanKernels"])
    + module("Simulation", ["StudyData", "StudyIO", "Distributions", "LinearAlgebra"])
    + module(
      "ResultTables",
      ["StudyData", "StudyIO", "Distributions", "MultipleTesting", "MixedModels", "Association"])
    + [
      .target(name: "Host", swiftSettings: strict),
      .target(name: "SwiftQTL", dependencies: exported, swiftSettings: strict),
      .target(name: "SwiftQTLC", dependencies: exported + ["SwiftQTL", "CSwiftQTL"], swiftSettings: strict),
      .executableTarget(
        name: "SwiftQTLCommand",
        dependencies: exported + [
          "SwiftQTL", .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ], swiftSettings: strict),
      .target(
        name: "TestSupport", dependencies: ["StudyData", "LinearAlgebra"], path: "Tests/TestSupport",
        swiftSettings: strict),
      .testTarget(
        name: "CommandTests", dependencies: exported + ["SwiftQTLCommand", "SwiftQTL", "TestSupport"],
        swiftSettings: strict),
    ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx20
)
