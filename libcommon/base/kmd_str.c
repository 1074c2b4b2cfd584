#include "kmd_str.h"
