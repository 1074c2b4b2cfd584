#include "kmd_app.h"
