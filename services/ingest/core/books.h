#ifndef INGEST_BOOKS_H
#define INGEST_BOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kmd_map.h"
#include "kmd_str.h"
#include "kmd_time.h"

/*
 * The books of one connection: what is wanted against what the exchange confirmed, and which of them can be trusted.
 * Every book is in at most one queue, so the next batch is taken without a search:
 *
 *   wanted -> ADD queue -> taken (ADDING) -> confirmed: HELD, AWAIT its snapshot -> snapshot: at rest
 *                 ^             | refused: LATER, with a back-off of its own
 *                 +-------------+
 *   not wanted, HELD -> DELETE queue -> taken (DELETING) -> confirmed: forgotten
 *   suspect after a gap, or no snapshot for long: SNAPSHOT queue -> taken, AWAIT -> snapshot: at rest
 *
 * A sequence gap makes every held book suspect; a snapshot at or behind the frame that showed the gap clears one. A
 * book whose snapshot does not come however often it is asked for is added again: adding is idempotent at the exchange.
 */

#define INGEST_BOOK_AWAIT_NS (20 * KMD_NS_PER_S) /* how long a snapshot may take */
#define INGEST_BOOK_ASKS_MAX 3                   /* get_snapshot unanswered so often: add the market again */
#define INGEST_BOOK_LATER_BASE_NS (5 * KMD_NS_PER_S)
#define INGEST_BOOK_LATER_CAP_NS (300 * KMD_NS_PER_S)

enum ingest_book_state { INGEST_BOOK_IDLE, INGEST_BOOK_ADDING, INGEST_BOOK_HELD, INGEST_BOOK_DELETING };

enum ingest_book_queue {
	INGEST_BOOKS_ADD,
	INGEST_BOOKS_DELETE,
	INGEST_BOOKS_SNAPSHOT,
	INGEST_BOOKS_AWAIT, /* in the order of their deadlines */
	INGEST_BOOKS_LATER,
	INGEST_BOOKS_QUEUES,
	INGEST_BOOKS_REST = INGEST_BOOKS_QUEUES,
};

struct ingest_book {
	struct ingest_book *prev, *next;
	enum ingest_book_queue queue;
	enum ingest_book_state state;
	bool wanted, suspect, fresh; /* fresh: added, no snapshot yet */
	bool untold; /* an add was not answered, or it is one of what was held: only a delete makes sure of it */
	uint32_t asks, refusals;
	int64_t due_ns;
	struct kmd_str ticker; /* lies behind the struct */
};

struct ingest_book_list {
	struct ingest_book *head, *tail;
	size_t count;
};

struct ingest_books {
	struct kmd_map map;
	struct ingest_book_list queues[INGEST_BOOKS_QUEUES];
	size_t held;       /* HELD and DELETING: what the exchange has confirmed */
	size_t suspects;   /* after a gap */
	int64_t clear_seq; /* a snapshot from this seq on clears a suspect */
};

/** Zero-initialise struct ingest_books. */
void ingest_books_fini(struct ingest_books *b);
void ingest_books_want(struct ingest_books *b, struct kmd_str ticker, bool wanted);
/**
 * Takes up to @max books whose tickers sum up to at most @max_bytes (one at least) off ADD, DELETE or SNAPSHOT into
 * @ret. Those of ADD and DELETE must come back by _added, _add_failed, _add_unanswered, _deleted, _delete_failed or
 * _lost; they live until then.
 */
size_t ingest_books_take(struct ingest_books *b, enum ingest_book_queue queue, size_t max, size_t max_bytes,
    struct kmd_mono now, struct ingest_book **ret);
void ingest_books_added(struct ingest_books *b, struct ingest_book **books, size_t n, struct kmd_mono now);
/** @alone: the fault is this market's own, it waits longer and longer; else they are taken again next. */
void ingest_books_add_failed(
    struct ingest_books *b, struct ingest_book **books, size_t n, bool alone, struct kmd_mono now);
/**
 * No answer came. What has had its snapshot since is held all the same and goes on; what is not wanted any more may be
 * held, and is deleted before it is forgotten. @has_sid false: it was the subscribe, and what is wanted is asked for
 * again for the sake of the sid.
 */
void ingest_books_add_unanswered(
    struct ingest_books *b, struct ingest_book **books, size_t n, bool has_sid, struct kmd_mono now);
void ingest_books_deleted(struct ingest_books *b, struct ingest_book **books, size_t n);
void ingest_books_delete_failed(struct ingest_books *b, struct ingest_book **books, size_t n);
/** A snapshot came. One of a market that nobody wants shows that it is subscribed: it is to be deleted. */
void ingest_books_snapshot(struct ingest_books *b, struct kmd_str ticker, bool has_seq, int64_t seq);
/** A gap, shown by the frame of @got_seq: every held book is suspect. */
void ingest_books_gap(struct ingest_books *b, int64_t got_seq);
/** The subscription is gone: nothing is held, everything wanted is to be added, what was taken is given back. */
void ingest_books_lost(struct ingest_books *b);
/** Moves what has waited long enough. */
void ingest_books_tick(struct ingest_books *b, struct kmd_mono now);

#endif
