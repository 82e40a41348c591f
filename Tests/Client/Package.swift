// swift-tools-version: 6.2
import PackageDescription

// Stands for any package that uses SwiftQTL. Scripts/readme-examples adds the README's examples to it.
let package = Package(
  name: "Client",
  dependencies: [.package(name: "SwiftQTL", path: "../..")],
  targets: [
    .executableTarget(
      name: "Client", dependencies: [.product(name: "SwiftQTL", package: "SwiftQTL")])
  ]
)
