#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include "sim_world.h"

/**
 * Lives through the history of @seed. @mode SIM_MODE_COUNT: the seed chooses. True: no invariant was broken; else @ret
 * says which one was.
 */
bool history_run(uint64_t seed, enum sim_mode mode, bool tracing, char ret[1024]);
const char *history_mode_name(enum sim_mode mode);

#endif
