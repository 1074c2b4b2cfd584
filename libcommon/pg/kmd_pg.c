#include "kmd_pg.h"
