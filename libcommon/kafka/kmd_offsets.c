#include "kmd_offsets.h"
