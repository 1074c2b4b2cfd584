#include "kmd_time.h"
