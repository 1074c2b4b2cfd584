#include "signals.h"
