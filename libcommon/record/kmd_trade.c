#include "kmd_trade.h"
