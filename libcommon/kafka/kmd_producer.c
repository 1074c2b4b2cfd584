#include "kmd_producer.h"
