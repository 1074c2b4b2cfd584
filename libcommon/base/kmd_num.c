#include "kmd_num.h"
