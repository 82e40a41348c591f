"""tensorQTL's functions by name, arguments and columns: a script changes its import.

    from swiftqtl.compat import tensorqtl                                  # import tensorqtl
    from swiftqtl.compat.tensorqtl import cis, genotypeio, post, trans     # from tensorqtl import …

What differs: numbers are computed in fp64 and not rounded to fp32; permutations are those of `seed`, in another order than tensorQTL's;
variants without variance are left out of nominal tables too; an interaction's two halves of the samples are those below and above the
median, equal values in the same; signals of `map_independent` have nominal thresholds, without permutations of their own. Arguments
that choose batches and devices do nothing. What is not here raises NotImplementedError and says what does it.
"""

from . import cis, core, genotypeio, post, trans
from .core import read_phenotype_bed
from .post import calculate_qvalues, get_significant_pairs

__all__ = [
    "calculate_qvalues", "cis", "core", "genotypeio", "get_significant_pairs", "post", "read_phenotype_bed", "trans",
]  # fmt: skip
