#include "kmd_map.h"
