#include "kmd_topic.h"
