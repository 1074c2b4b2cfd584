#ifndef SIM_FRAMES_H
#define SIM_FRAMES_H

#include "sim_world.h"

/* JSON as the exchange and the enricher write it, appended to a buffer. */

struct frame_at {
	int64_t sid, seq; /* 0: it has none */
	int64_t ms;       /* exchange time */
};

struct frame_trade {
	const char *id, *ticker;
	int price, count; /* cents, contracts */
	int64_t ms;
};

void frame_trade(struct kmd_buf *b, const struct frame_at *at, const struct frame_trade *t);
void frame_rest_trade(struct kmd_buf *b, const struct frame_trade *t);
void frame_delta(
    struct kmd_buf *b, const struct frame_at *at, const char *ticker, const char *side, int price, int delta);
/** Sides as sizes by price in cents, 1 to 99; one without levels is left out. @id of the command, 0: none. */
void frame_snapshot(struct kmd_buf *b, const struct frame_at *at, int64_t id, const char *ticker, const int yes[100],
    const int no[100]);
void frame_ticker(struct kmd_buf *b, const struct frame_at *at, const char *ticker, int price);
/** @more members of msg behind event_type, with their comma in front, or "". */
void frame_lifecycle(
    struct kmd_buf *b, const struct frame_at *at, const char *ticker, const char *event_type, const char *more);
void frame_event(struct kmd_buf *b, const struct frame_at *at, const char *event, const char *series);
/** RFC 3339 in the world's static memory, good until the eighth call after. */
const char *frame_time(int64_t unix_ns, int digits);

#endif
