#include "kmd_metrics.h"
