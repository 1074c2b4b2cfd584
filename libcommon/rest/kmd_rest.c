#include "kmd_rest.h"
