#ifndef KMD_LEFT_H
#define KMD_LEFT_H

#include <stdbool.h>

/*
 * A thread that does not end in its time is left as it is. What it uses stays until the process ends, and that end is
 * _exit: the handlers of exit() would take away what such a thread may be using (OpenSSL's do). Any thread.
 */

/** Something is left behind, until the process ends. */
void kmd_left_note(void);
bool kmd_left(void);

#endif
