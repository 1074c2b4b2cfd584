#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include "sim_world.h"

#define HISTORY_KINDS (SIM_FAULT_COUNT + SIM_HAPPENING_COUNT)

struct history {
	char broken[1024]; /* the invariant that was; "": none */
	enum sim_mode mode;
	uint64_t hash;                  /* of all that happened */
	uint64_t struck[HISTORY_KINDS]; /* faults, then what else is counted, see fault_name */
};

/** Lives through the history of @seed. @mode SIM_MODE_COUNT: the seed chooses. True: no invariant was broken. */
bool history_run(uint64_t seed, enum sim_mode mode, bool tracing, struct history *ret);
const char *history_mode_name(enum sim_mode mode);

#endif
