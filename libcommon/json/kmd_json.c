#include "kmd_json.h"
