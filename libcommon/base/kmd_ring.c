#include "kmd_ring.h"
