#pragma once
#include "genotype_decode.h"
