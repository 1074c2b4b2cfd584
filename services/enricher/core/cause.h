#ifndef ENRICH_CAUSE_H
#define ENRICH_CAUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settle.h"

/*
 * A cause is a record of `lifecycle` or `feed` whose offset may not be committed yet, because work that it asked for is
 * open. Whoever works for it holds it; when the last one drops it, it is done, and the shell takes it and moves the
 * offset. A cause that is never dropped (its record was refused by the broker) keeps its offset open for ever.
 */

/* What a record asks for. */
enum enrich_want_bits {
	ENRICH_WANT_MARKET = 1,
	ENRICH_WANT_EVENT = 2,
	ENRICH_WANT_SERIES = 4,
	ENRICH_WANT_DETERMINED = 8, /* a settlement record with that trigger */
	ENRICH_WANT_SETTLED = 16,
	ENRICH_WANT_YOUNG = 32,       /* `created`: a 404 means "not yet", not "archived" */
	ENRICH_WANT_FRESH_EVENT = 64, /* a frame about the event itself: only a later fetch will do */
	ENRICH_DID_EVENT = 128,       /* the event was asked for already */
	ENRICH_DID_SERIES = 256,
	ENRICH_DID_LETTER = 512, /* it is in the dead letters */
	ENRICH_BEHIND = 1024,    /* the answer at hand does not answer it (behind.h) */
};
#define ENRICH_WANT_SETTLEMENT (ENRICH_WANT_DETERMINED | ENRICH_WANT_SETTLED)

struct enrich_cause {
	uint32_t slot;       /* the shell's number of its partition */
	uint32_t generation; /* of that partition's assignment */
	int64_t offset;
	int64_t recv_ns;            /* Unix ns, when ingest had the frame; 0: not known */
	int64_t determined_ns;      /* determination_ts of a `determined` frame; 0: none */
	struct enrich_outcome told; /* by a `determined` frame */
	unsigned what;              /* enum enrich_want_bits */
	unsigned holds;
	size_t bytes;                     /* of the letter */
	void *letter;                     /* one heap block of the shell's (free() frees it), or NULL */
	struct enrich_cause *prev, *next; /* all causes of the book */
	struct enrich_cause *next_done;
};

/* All causes there are. Zero-initialise. */
struct enrich_book {
	struct enrich_cause *first;
	struct enrich_cause *done;
	size_t open;  /* causes that live */
	size_t bytes; /* of their letters */
};

/* A growing list of causes, each held once by it. Zero-initialise. */
struct enrich_causes {
	struct enrich_cause **p;
	size_t count, cap;
};

/** A new cause, held once by the caller. */
struct enrich_cause *enrich_cause_open(struct enrich_book *b, uint32_t slot, uint32_t generation, int64_t offset);
void enrich_cause_letter(struct enrich_book *b, struct enrich_cause *c, void *letter, size_t bytes); /* takes @letter */
void enrich_cause_hold(struct enrich_cause *c);
void enrich_cause_drop(struct enrich_book *b, struct enrich_cause *c);
/** The next one that nobody holds, or NULL; give it back by enrich_cause_free. */
struct enrich_cause *enrich_cause_take_done(struct enrich_book *b);
void enrich_cause_free(struct enrich_book *b, struct enrich_cause *c);
/** When ingest had the oldest frame that asks for any of @mask and is still open, Unix ns; 0: there is none. */
int64_t enrich_book_oldest_ns(const struct enrich_book *b, unsigned mask);
/** Frees every cause, held or not. */
void enrich_book_fini(struct enrich_book *b);

/** Adds @c, whose hold passes to the list. */
void enrich_causes_take(struct enrich_causes *l, struct enrich_cause *c);
/** Adds @c and holds it once more. */
void enrich_causes_add(struct enrich_causes *l, struct enrich_cause *c);
/** Moves all of @from to the end of @to. */
void enrich_causes_move(struct enrich_causes *to, struct enrich_causes *from);
/** Drops all and empties the list. */
void enrich_causes_drop(struct enrich_book *b, struct enrich_causes *l);
/** Drops those of a partition. Returns how many of the first @covered went. */
size_t enrich_causes_purge(struct enrich_book *b, struct enrich_causes *l, uint32_t slot, size_t covered);
/** Frees the memory of the list; its causes are dropped before. */
void enrich_causes_fini(struct enrich_causes *l);
/** OR of .what of the first @n. */
unsigned enrich_causes_what(const struct enrich_causes *l, size_t n);

#endif
