#include "kmd_consumer.h"
