"""Usage: python3 generate.py, in this directory (plink2, if it is installed, is asked to agree).

Exact Hardy-Weinberg p by full enumeration in rational numbers: given n and the allele count, P(h heterozygotes) is
2^h n! / (a! h! b!) / C(2n, alleles); p sums the outcomes no more likely than the one observed.
"""
import random
import shutil
import subprocess
import tempfile
from fractions import Fraction
from math import comb, factorial


def probability(aa, ab, bb):
    n = aa + ab + bb
    return Fraction(2**ab * factorial(n), factorial(aa) * factorial(ab) * factorial(bb)) / comb(2 * n, 2 * aa + ab)


def exact(aa, ab, bb):
    rare = 2 * min(aa, bb) + ab
    n = aa + ab + bb
    observed = probability(aa, ab, bb)
    outcomes = [probability((rare - h) // 2, h, n - h - (rare - h) // 2) for h in range(rare % 2, rare + 1, 2)]
    assert sum(outcomes) == 1
    return float(sum(p for p in outcomes if p <= observed))


def plink2(aa, ab, bb):
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/x.vcf", "w") as out:
            calls = ["0/0"] * aa + ["0/1"] * ab + ["1/1"] * bb
            print("##fileformat=VCFv4.2\n##contig=<ID=1>", file=out)
            print('##FORMAT=<ID=GT,Number=1,Type=String,Description="x">', file=out)
            print("#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT".replace(" ", "\t"),
                  *(f"s{i}" for i in range(len(calls))), sep="\t", file=out)
            print("1\t1\tv\tA\tG\t.\t.\t.\tGT", *calls, sep="\t", file=out)
        subprocess.run(["plink2", "--vcf", f"{folder}/x.vcf", "--hardy", "--out", f"{folder}/x"], check=True,
                       stdout=subprocess.DEVNULL)
        return float(open(f"{folder}/x.hardy").read().split()[-1])


random.seed(1)
cases = [(1, 0, 0), (0, 1, 0), (0, 7, 0), (5, 0, 5), (50, 0, 50), (100, 1, 0), (1469, 138, 5), (0, 300, 0),
         (298, 2, 0), (299, 0, 1), (60, 25, 15), (400, 0, 400)]
cases += [tuple(random.randint(0, 60) for _ in range(3)) for _ in range(40)]
with open("expected.tsv", "w") as out:
    print("hom_ref", "het", "hom_alt", "p", sep="\t", file=out)
    for case in cases:
        p = exact(*case)
        if shutil.which("plink2"):
            assert abs(plink2(*case) - p) <= 1e-5 * p + 1e-300, (case, p, plink2(*case))
        print(*case, repr(p), sep="\t", file=out)
