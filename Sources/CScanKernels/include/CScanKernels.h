// The machine-specific code of the package: plain C, dispatched at run time by CPU feature.
#pragma once
#include "bgen_decode.h"
#include "dense_statistics.h"
#include "exact_products.h"
#include "genotype_decode.h"
#include "integer_codes.h"
#include "integer_products.h"
#include "pgen_decode.h"
#include "screen.h"
#include "spectral_sums.h"
