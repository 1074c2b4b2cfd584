#include "kmd_err.h"
