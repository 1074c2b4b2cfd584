#include "kmd_backoff.h"
