#include "kmd_httpd.h"
