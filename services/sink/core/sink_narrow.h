#ifndef SINK_NARROW_H
#define SINK_NARROW_H

#include <stddef.h>

/*
 * How a batch that Postgres refused is narrowed to the one record at fault. Where Postgres told which one, what lies
 * before it is written, then it is tried alone; where it did not, or told wrongly, what is left is halved. Once the
 * record is found, batches are whole again. Zero-initialise: none is narrowed. Pure.
 */

struct sink_narrow {
	size_t suspects; /* the first so many records hold the one at fault; 0: none is known of */
	size_t told;     /* place among them that was told, from 1; 0: none */
};

/** Records that the next batch may have. */
size_t sink_narrow_limit(const struct sink_narrow *n);
/** A batch of @count was refused; of one: that record is found. @told place of the record at fault, from 1; 0: untold.
 */
void sink_narrow_refused(struct sink_narrow *n, size_t count, size_t told);
/** A batch of @count is in Postgres. */
void sink_narrow_written(struct sink_narrow *n, size_t count);

#endif
