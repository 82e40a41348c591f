import SwiftQTL

let region = GenomicRegion(chromosome: "chr22", start: 17_000_000, end: 18_000_000)
print(region.contains(normalizedChromosome: "22", position: 17_500_000))
