package import Association
import Distributions
import MultipleTesting
package import StudyData
package import StudyIO

/// Rows of the permutation table, a gene each, in one of the formats.
package struct GeneRows {
  let format: TableFormat
  let study: Study
  let genes: [CisPermutations.GeneResult]
  let significance: GeneSignificance
  /// Whether the table names a group beside each phenotype.
  let isGrouped: Bool
  /// Further columns of our own format.
  let effects: EffectColumns?

  package init(
    format: TableFormat, study: Study, genes: [CisPermutations.GeneResult], significance: GeneSignificance,
    isGrouped: Bool, effects: EffectColumns? = nil
  ) {
    self.format = format
    self.study = study
    self.genes = genes
    self.significance = significance
    self.isGrouped = isGrouped
    self.effects = effects
  }

  package var header: String {
    switch format {
    case .swiftqtl:
      (isGrouped ? "group_id group_size " : "")
        + "phenotype_id num_var variant_id chromosome position ref alt start_distance beta se t df neg_log10_p p r2 "
        + "af ma_samples ma_count n n_permutations pval_perm beta_shape1 beta_shape2 true_df pval_true_df "
        + "pval_beta qval pval_nominal_threshold status \(effects?.header ?? "")"
    case .tensorqtl:
      "phenotype_id num_var beta_shape1 beta_shape2 true_df pval_true_df variant_id start_distance ma_samples "
        + "ma_count af pval_nominal slope slope_se pval_perm pval_beta "
        + (isGrouped ? "group_id group_size " : "") + "qval pval_nominal_threshold"
    case .fastqtl:
      "gene_id num_var beta_shape1 beta_shape2 true_df pval_true_df variant_id tss_distance minor_allele_samples "
        + "minor_allele_count maf ref_factor pval_nominal slope slope_se pval_perm pval_beta"
    case .qtltools:
      (isGrouped ? "grp_id " : "") + "phe_id phe_chr phe_from phe_to phe_strd "
        + (isGrouped ? "grp_size " : "")
        + "n_var_in_cis dist_phe_var var_id var_chr var_from var_to dof1 dof2 bml1 bml2 nom_pval r_squared slope "
        + "slope_se adj_emp_pval adj_beta_pval"
    }
  }

  package var headerLine: [UInt8] {
    Array(header.split(separator: " ").joined(separator: "\t").utf8) + [0x0A]
  }

  /// Genes in which nothing could be tested have no row.
  package func append(_ index: Int, to out: inout RowBuffer) {
    let gene = genes[index]
    guard let (row, tested) = gene.lead else { return }
    let feature = study.features[row.feature]
    switch format {
    case .swiftqtl: appendOwn(index, gene, row, tested, feature, to: &out)
    case .tensorqtl: appendTensorQTL(index, gene, row, tested, feature, to: &out)
    case .fastqtl: appendFastQTL(gene, row, tested, feature, to: &out)
    case .qtltools: appendQTLtools(gene, row, tested, feature, to: &out)
    }
    out.append("\n")
  }

  private func appendOwn(
    _ index: Int, _ gene: CisPermutations.GeneResult, _ row: PairRow, _ tested: TestedVariant,
    _ feature: Feature, to out: inout RowBuffer
  ) {
    let (variant, s) = (tested.variant, tested.summary)
    if isGrouped {
      out.append(cells: gene.id)
      out.append(number: gene.phenotypeCount)
    }
    out.append(cells: feature.id)
    out.append(number: gene.variantCount)
    out.append(cells: variant.id, variant.chromosome)
    out.append(number: variant.position)
    out.append(cells: variant.ref, variant.alt)
    out.append(number: variant.position - feature.tss)
    out.append(number: row.beta)
    out.append(number: row.standardError)
    out.append(number: row.t)
    out.append(number: row.degreesOfFreedom)
    out.append(number: LogP.negLog10(row.logP))
    out.append(lnP: row.logP)
    out.append(number: row.r2)
    out.append(number: s.alleleFrequency)
    out.append(number: s.minorAlleleSamples)
    out.append(number: s.minorAlleleCount)
    out.append(number: row.n)
    out.append(number: gene.permutations)
    out.append(lnP: gene.logEmpiricalP)
    appendShapes(gene, to: &out)
    out.append(lnP: gene.logBetaP)
    out.append(lnP: significance.logQ[index])
    out.append(lnP: significance.nominalLogThreshold(index))
    out.append(gene.approximation?.status.rawValue ?? "NA")
    effects?.append(row, VariantScale(s), to: &out)
  }

  private func appendShapes(_ gene: CisPermutations.GeneResult, to out: inout RowBuffer) {
    let fit = gene.approximation
    out.append(orNA: fit?.shape1)
    out.append(orNA: fit?.shape2)
    out.append(orNA: fit?.trueDegreesOfFreedom)
    out.append(lnP: gene.logTrueP)
  }

  private func appendTensorQTL(
    _ index: Int, _ gene: CisPermutations.GeneResult, _ row: PairRow, _ tested: TestedVariant,
    _ feature: Feature, to out: inout RowBuffer
  ) {
    let s = tested.summary
    out.append(cells: feature.id)
    out.append(number: gene.variantCount)
    appendShapes(gene, to: &out)
    out.append(cells: tested.variant.id)
    out.append(number: tested.variant.position - feature.tss)
    out.append(number: s.minorAlleleSamples)
    out.append(number: s.tensorQTLMinorAlleleCount)
    out.append(number: s.alleleFrequency)
    out.append(lnP: row.logP)
    out.append(number: row.beta)
    out.append(number: row.standardError)
    out.append(lnP: gene.logEmpiricalP)
    out.append(lnP: gene.logBetaP)
    if isGrouped {
      out.append(cells: gene.id)
      out.append(number: gene.phenotypeCount)
    }
    out.append(lnP: significance.logQ[index])
    // tensorQTL leaves the threshold on the fitted ν.
    out.append(lnP: significance.nominalLogThreshold(index, scale: .trueDegreesOfFreedom), isLast: true)
  }

  private func appendFastQTL(
    _ gene: CisPermutations.GeneResult, _ row: PairRow, _ tested: TestedVariant, _ feature: Feature,
    to out: inout RowBuffer
  ) {
    let s = tested.summary
    out.append(cells: feature.id)
    out.append(number: gene.variantCount)
    appendShapes(gene, to: &out)
    out.append(cells: tested.variant.id)
    out.append(number: tested.variant.position - feature.tss)
    let (samples, count, frequency, isAltMinor) = s.fastQTLMinorAllele
    out.append(number: samples)
    out.append(number: count)
    out.append(number: frequency, precision: 6)
    out.append(number: isAltMinor ? 1 : -1)
    out.append(lnP: row.logP, precision: 6)
    out.append(number: row.beta, precision: 6)
    out.append(number: row.standardError, precision: 6)
    out.append(lnP: gene.logEmpiricalP, precision: 6)
    out.append(lnP: gene.logBetaP, precision: 6, isLast: true)
  }

  private func appendQTLtools(
    _ gene: CisPermutations.GeneResult, _ row: PairRow, _ tested: TestedVariant, _ feature: Feature,
    to out: inout RowBuffer
  ) {
    let variant = tested.variant
    if isGrouped { out.append(cells: gene.id) }
    out.append(cells: feature.id, feature.chromosome)
    out.append(number: feature.start)
    out.append(number: feature.end)
    out.append(cells: feature.strand.map(String.init) ?? "+")
    if isGrouped { out.append(number: gene.phenotypeCount) }
    out.append(number: gene.variantCount)
    // Along the strand.
    out.append(
      number: feature.strand == "-" ? feature.end - variant.position : variant.position - feature.start)
    out.append(cells: variant.id, variant.chromosome)
    out.append(number: variant.position)
    out.append(number: variant.position + max(0, variant.ref.utf8.count - 1))
    out.append(number: row.degreesOfFreedom)
    out.append(orNA: gene.approximation?.trueDegreesOfFreedom)
    out.append(orNA: gene.approximation?.shape1)
    out.append(orNA: gene.approximation?.shape2)
    out.append(lnP: row.logP)
    out.append(number: row.r2)
    out.append(number: row.beta)
    out.append(number: row.standardError)
    out.append(lnP: gene.logEmpiricalP)
    out.append(lnP: gene.logBetaP, isLast: true)
  }
}

extension RowBuffer {
  /// A number and a tab; NA for none.
  package mutating func append(orNA number: Double?) {
    if let number, !number.isNaN { append(number: number) } else { append("NA\t") }
  }

  /// p from ln p and, unless it is the last cell, a tab; NA for NaN.
  package mutating func append(lnP: Double, precision: Int = 9, isLast: Bool = false) {
    if lnP.isNaN { append("NA") } else { append(logP: lnP, precision: precision) }
    if !isLast { appendTab() }
  }
}
