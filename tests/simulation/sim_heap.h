#ifndef SIM_HEAP_H
#define SIM_HEAP_H

#include <stddef.h>

/*
 * Every allocation of the linked programs belongs to the heap that was current when it was made: of one simulated
 * process, or of the world. So a process can die between any two of its lines and its memory goes with it.
 */

struct heap_block;
struct heap {
	struct heap_block *first;
	size_t bytes;
};

/** Makes @h current (NULL: nobody's); gives back the former one. */
struct heap *heap_use(struct heap *h);
/** Frees everything that belongs to @h. */
void heap_free_all(struct heap *h);

#endif
