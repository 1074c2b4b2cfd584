#ifndef BENCH_FRAMES_H
#define BENCH_FRAMES_H

#include <stddef.h>
#include <stdint.h>

/*
 * Messages of the exchange, made once and sent again and again: what stands before the number `seq`, and what behind
 * it. Only that number, and the time a message was due, differ from one sending to the next.
 */

enum frame_kind { FRAME_TRADE, FRAME_DELTA, FRAME_TICKER, FRAME_SNAPSHOT };

struct frame {
	char *head, *tail;
	size_t head_n, tail_n;
};

struct frames {
	struct frame *all;
	size_t count;
	enum frame_kind kind;
};

/** @name trade, delta, ticker or snapshot. -1 for anything else. */
int frame_kind_of(const char *name);
/** The channel a kind comes from. */
const char *frame_channel(enum frame_kind kind);
/** @count different ones of @markets markets; @levels on each side of a snapshot; @sid of the subscription. */
void frames_make(struct frames *f, enum frame_kind kind, size_t count, size_t markets, size_t levels, int sid);
void frames_free(struct frames *f);
/** The @market-th market's ticker, 64 bytes of room. */
void frame_ticker(size_t market, char *ret);
/**
 * Message @i with its number, as an unmasked WebSocket text frame at @p. @due_ns, where it is not 0, is told as
 * `due_ns`. Returns its end. Needs frames_room() bytes.
 */
char *frame_put(const struct frames *f, uint64_t i, uint64_t seq, int64_t due_ns, char *p);
/** An upper bound for one frame. */
size_t frames_room(const struct frames *f);
/** Head of an unmasked frame of @n bytes; returns its end. */
char *frame_head(char *p, int opcode, size_t n);

#endif
