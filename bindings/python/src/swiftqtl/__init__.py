"""eQTL scans of files or arrays.

>>> import swiftqtl
>>> pairs = swiftqtl.trans("chr1-22", "expression.bed.gz", "covariates.tsv", pval_threshold=1e-6)
"""

from ._abi import Cancelled, SwiftQTLError, library
from ._functions import cis, cis_independent, cis_interaction, cis_nominal, lmm, qvalues, trans, trans_interaction
from ._scans import Counts, Result, Study

__version__: str = library.version().decode()

__all__ = [
    "Cancelled", "Counts", "Result", "Study", "SwiftQTLError", "cis", "cis_independent", "cis_interaction", "cis_nominal",
    "lmm", "qvalues", "trans", "trans_interaction",
]  # fmt: skip
