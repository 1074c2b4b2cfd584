#ifndef SINK_KEEPER_H
#define SINK_KEEPER_H

#include "hub.h"

/*
 * The keeper: a thread with a connection of its own for what is not urgent. It waits until database, schema, platform
 * and topics are what they should be, and then keeps looking: makes partitions ahead, drops old ones, forgets old
 * lineages.
 */

struct keeper;

/** Starts the thread. @mask the topics this instance takes. */
struct keeper *keeper_start(struct hub *hub, struct kmd_app *app, unsigned mask);
/** Is everything there that records can be taken? Stays true once it was. Any thread. */
bool keeper_ready(struct keeper *k);
/** The database was found to be another platform's: true, and what to say (valid until keeper_stop). Any thread. */
bool keeper_foreign(struct keeper *k, const char **ret_text);
/** Id of a topic where librdkafka can tell, "" else. Any thread. */
void keeper_topic_id(struct keeper *k, enum kmd_topic t, char ret[64]);
/** Ends the thread after hub.abandon, waiting at most @timeout_ms; false: it hangs and is left behind. */
bool keeper_stop(struct keeper *k, int timeout_ms);

#endif
