#include "kmd_conf.h"
