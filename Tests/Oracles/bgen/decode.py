"""Prints the dosages in BGEN files of layout 2, by the specification and Python's standard library alone (no zstd).

For each variant and ALT allele a line: id, chromosome, position, first allele, ALT, then for each sample the bits of its fp32 dosage
in hexadecimal, or NA. A probability is a whole number over 2^bits - 1; sums are exact, one division is rounded to fp64, then to fp32.
"""

import struct
import sys
import zlib
from itertools import combinations_with_replacement


def text(data, at, form):
    (length,) = struct.unpack_from(form, data, at)
    at += struct.calcsize(form)
    return data[at : at + length].decode(), at + length


def genotypes(alleles, ploidy):
    """In the order of the file: by the largest allele, then the next one."""
    return sorted(combinations_with_replacement(range(alleles), ploidy), key=lambda g: g[::-1])


def dosages(block, alleles):
    """[sample][allele] expected copies as numerators over `one`, None where missing; and `one`."""
    (samples, k, _, _) = struct.unpack_from("<IHBB", block)
    assert k == alleles
    ploidies = block[8 : 8 + samples]
    phased, bits = block[8 + samples], block[9 + samples]
    packed = int.from_bytes(block[10 + samples :], "little")
    one = (1 << bits) - 1

    def take():
        nonlocal packed
        value = packed & one
        packed >>= bits
        return value

    out = []
    for byte in ploidies:
        ploidy, missing = byte & 63, byte >> 7
        outcomes = [(a,) for a in range(alleles)] if phased else genotypes(alleles, ploidy)
        copies = [0] * alleles
        for _ in range(ploidy if phased else 1):
            stored = [take() for _ in outcomes[:-1]]
            for outcome, p in zip(outcomes, stored + [one - sum(stored)]):
                for allele in outcome:
                    copies[allele] += p
        double = 2 if ploidy == 1 else 1
        out.append(None if missing or ploidy == 0 else [double * c for c in copies])
    assert packed == 0
    return out, one


def main(path):
    data = open(path, "rb").read()
    offset, header, variants, samples = struct.unpack_from("<IIII", data)
    (flags,) = struct.unpack_from("<I", data, header)
    assert data[16:20] == b"bgen" and flags >> 2 & 15 == 2 and flags & 3 < 2
    at = offset + 4
    for _ in range(variants):
        name, at = text(data, at, "<H")
        rs_name, at = text(data, at, "<H")
        chromosome, at = text(data, at, "<H")
        position, count = struct.unpack_from("<IH", data, at)
        at += 6
        alleles = []
        for _ in range(count):
            allele, at = text(data, at, "<I")
            alleles.append(allele)
        (length,) = struct.unpack_from("<I", data, at)
        block = data[at + 4 : at + 4 + length]
        at += 4 + length
        if flags & 3 == 1:
            size = struct.unpack_from("<I", block)[0]
            block = zlib.decompress(block[4:])
            assert len(block) == size
        rows, one = dosages(block, count)
        assert len(rows) == samples
        for alt in range(1, count):
            cells = ["NA" if r is None else struct.pack(">f", r[alt] / one).hex() for r in rows]
            name_of_row = rs_name if count == 2 else rs_name + "_" + alleles[alt]
            print("\t".join([name_of_row, chromosome, str(position), alleles[0], alleles[alt]] + cells))
    assert at == len(data)


main(sys.argv[1])
