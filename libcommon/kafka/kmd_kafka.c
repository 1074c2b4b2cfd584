#include "kmd_kafka.h"
