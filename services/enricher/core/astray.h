#ifndef ENRICH_ASTRAY_H
#define ENRICH_ASTRAY_H

#include <stdint.h>

/*
 * Where to read on in a partition whose broker had nothing at our position. Whether a topic that is shorter than we are
 * was made anew or lost its last records is not told by its offsets, so what is read again is enough for both, and
 * bounded where the topic did not begin anew. Pure.
 */

/* A broker that lost power without a replica lost fewer records than this; so many are read again to be sure. */
#define ENRICH_REREAD_MAX 10000

enum enrich_astray {
	ENRICH_ASTRAY_EXPIRED,   /* retention took what stood there: on from the low watermark */
	ENRICH_ASTRAY_FOUND,     /* it is there by now: on from the position */
	ENRICH_ASTRAY_SHORTENED, /* its last records are lost: new ones stand below the position */
	ENRICH_ASTRAY_RECREATED, /* all there is is new */
};

/**
 * @undone the lowest offset below @position whose work is open, else @position: nothing above it is left out. *@ret
 * where to read on. SHORTENED and RECREATED may be at or below what was read before.
 */
enum enrich_astray enrich_astray_judge(int64_t position, int64_t undone, int64_t low, int64_t high, int64_t *ret);

#endif
