// Umbrella: what a user imports.
@_exported public import Association
@_exported public import Distributions
@_exported public import LinearAlgebra
@_exported public import MixedModels
@_exported public import MultipleTesting
@_exported public import Simulation
@_exported public import StudyData
@_exported public import StudyIO
