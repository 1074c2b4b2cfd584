#include "kmd_log.h"
