// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
]

func program(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .executableTarget(
    name: name,
    dependencies: ["BenchmarkSupport", .product(name: "SwiftQTL", package: "SwiftQTL")] + dependencies,
    swiftSettings: strict)
}

// Apart from the product so that neither its build nor its tests wait for it. Uses the public API, and the C kernels to time them
// alone.
let package = Package(
  name: "Benchmarks",
  dependencies: [.package(name: "SwiftQTL", path: "..")],
  targets: [
    .target(
      name: "BenchmarkSupport",
      dependencies: [.product(name: "SwiftQTL", package: "SwiftQTL"), "CPeakLoops"],
      swiftSettings: strict),
    .target(name: "CPeakLoops"),
    .systemLibrary(name: "CLibdeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
    program(
      "KernelBenchmarks",
      ["CPeakLoops", "CLibdeflate", .product(name: "ScanKernels", package: "SwiftQTL")]),
    program("ScanBenchmarks"),
    program("PeerRuns"),
    program("PermutationRuns"),
    program("NullValidation"),
    program("DenseRuns"),
  ],
  swiftLanguageModes: [.v6]
)
