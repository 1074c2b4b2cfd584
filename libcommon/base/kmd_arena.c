#include "kmd_arena.h"
