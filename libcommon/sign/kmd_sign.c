#include "kmd_sign.h"
