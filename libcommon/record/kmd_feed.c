#include "kmd_feed.h"
