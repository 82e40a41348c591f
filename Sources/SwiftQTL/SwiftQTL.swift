// Umbrella: what a user imports.
@_exported public import Association
@_exported public import Distributions
@_exported public import Host
@_exported public import LinearAlgebra
@_exported public import MixedModels
@_exported public import MultipleTesting
@_exported public import ResultTables
@_exported public import Simulation
@_exported public import StudyData
@_exported public import StudyIO

/// As `swiftqtl --version` prints it.
public let swiftQTLVersion = version.description

/// The same at an address of its own. CMakeShims reads it from this line.
package let version: StaticString = "0.1.0"
