#include "kmd_jsonw.h"
