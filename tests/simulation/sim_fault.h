#ifndef SIM_FAULT_H
#define SIM_FAULT_H

#include <stddef.h>

#include "sim_world.h"

/* What goes wrong and when: the faults of a history, its processes and their deaths. */

/** Chooses the faults, starts the processes. */
void fault_open(void);
/** Everything is there from now on: every place has a living process. */
void fault_heal(void);
/** Of a fault, or, behind those, of what else is counted (enum sim_happening). */
const char *fault_name(size_t kind);
/** Prints what struck how often. */
void fault_report(void);

#endif
