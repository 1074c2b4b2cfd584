#include "kmd_mem.h"
