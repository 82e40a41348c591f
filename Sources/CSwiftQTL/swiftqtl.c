#include "swiftqtl.h"
