#ifndef SIGNALS_H
#define SIGNALS_H

#include <stdbool.h>

#include "kmd_err.h"

/*
 * Signals of the process. SIGTERM and SIGINT are blocked everywhere and read by a thread of their own, so that a second
 * one ends the process even while the main loop is stuck. SIGPIPE is ignored.
 */

/** Before any other thread, which inherits the mask. */
void signals_block(void);
/** They end the process again. Only while there is no other thread. */
void signals_unblock(void);
/**
 * Starts the thread; a second signal, a second or more after the first, ends the process with KMD_EXIT_SOFTWARE.
 * @program kept.
 */
int signals_start(const char *program, struct kmd_err *err) KMD_MUST_CHECK;
/** Has one come since signals_block? Any thread. */
bool signals_came(void);
void signals_stop(void);

#endif
