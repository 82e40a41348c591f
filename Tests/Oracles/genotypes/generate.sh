#!/bin/sh
# Makes the fixtures of this folder with plink2 and tabix; see PROVENANCE.md.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 - "$work" <<'PYTHON'
import random, sys
random.seed(20240229)
samples = [f"S{i:02d}" for i in range(1, 24)]          # 23: not a multiple of four
sexes = [random.choice("12") for _ in samples]
with open(sys.argv[1] + "/sex.txt", "w") as f:
    f.write("#IID\tSEX\n" + "".join(f"{s}\t{x}\n" for s, x in zip(samples, sexes)))
def rows(cell, chromosomes):
    position, number = 0, 0
    for chromosome in chromosomes:
        position = 1000
        for _ in range(20):
            position += random.randint(1, 500)
            number += 1
            ref, alt = random.choice([("A", "G"), ("C", "T"), ("G", "GTT"), ("TAC", "T")])
            frequency = random.random()
            name = "." if number % 7 == 0 else f"rs{number}"
            yield [chromosome, str(position), name, ref, alt, ".", "PASS", "."], \
                [cell(frequency, chromosome, x) for x in sexes]
def genotype(frequency, chromosome, sex):
    if random.random() < 0.08: return "." if chromosome == "X" and sex == "1" else "./."
    alleles = [str(int(random.random() < frequency)) for _ in range(2)]
    return alleles[0] if chromosome == "X" and sex == "1" else "/".join(alleles)
def dosage(frequency, chromosome, sex):
    if random.random() < 0.08: return "./.:."
    p = min(max(random.gauss(frequency, 0.2), 0), 1)
    d = round(2 * p, 3)
    return ("0/0", "0/1", "1/1")[round(d)] + f":{d:g}"
def write(path, fields, form, data):
    with open(path, "w") as f:
        f.write("##fileformat=VCFv4.2\n")
        for c in ("21", "22", "X"): f.write(f"##contig=<ID={c},length=50000000>\n")
        f.write(fields)
        f.write("\t".join("#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT".split() + samples) + "\n")
        for head, cells in data: f.write("\t".join(head + [form] + cells) + "\n")
gt = '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
ds = '##FORMAT=<ID=DS,Number=1,Type=Float,Description="ALT dosage">\n'
write(sys.argv[1] + "/calls.vcf", gt, "GT", rows(genotype, ["21", "22", "X"]))
write(sys.argv[1] + "/dosages.vcf", gt + ds, "GT:DS", rows(dosage, ["21", "22"]))
def several(frequency, chromosome, sex):
    if random.random() < 0.08: return "./."
    return "|".join(str(random.choices((0, 1, 2, 3), (4, 3, 2, 1))[0]) for _ in range(2))
def with_alts(data):
    for head, cells in data:
        yield head[:3] + ["A", "C,G,AT"] + head[5:], cells
write(sys.argv[1] + "/alleles.vcf", gt, "GT", with_alts(rows(several, ["21"])))
PYTHON

run() { plink2 --silent --threads 1 "$@"; }
run --vcf "$work/calls.vcf" --update-sex "$work/sex.txt" --make-pgen --out "$work/calls"
run --pfile "$work/calls" --make-bed --out calls
run --pfile "$work/calls" --export vcf bgz bcf --out calls
run --pfile "$work/calls" --export A-transpose --out calls
run --vcf "$work/dosages.vcf" dosage=DS --make-pgen --out "$work/dosages"
run --pfile "$work/dosages" --export vcf bgz bcf vcf-dosage=DS --out dosages
run --pfile "$work/dosages" --export A-transpose --out dosages
run --pfile "$work/calls" --make-pgen vzs --out calls
run --pfile "$work/dosages" --make-pgen --out dosages
run --vcf "$work/alleles.vcf" --make-pgen --export vcf --out alleles
rm -f *.log
tabix -f -p vcf calls.vcf.gz
tabix -f -p bcf calls.bcf
