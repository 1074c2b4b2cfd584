#include "kmd_settlement.h"
