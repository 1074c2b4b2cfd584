#ifndef SIM_SCRIPT_H
#define SIM_SCRIPT_H

/*
 * Histories of the sink alone: the records of the other two services are made up here, with everything in them that the
 * sink has to bear: frames sent again after a crash, repeated trades, older content behind newer, poison, garbage.
 */

/** Begins to fill the broker's topics, until the world is healed and a little longer. */
void script_open(void);

#endif
