#ifndef INGEST_SESSION_H
#define INGEST_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "books.h"
#include "frame.h"
#include "kmd_backoff.h"
#include "kmd_time.h"
#include "reply.h"
#include "seq.h"
#include "types.h"

/*
 * The conversation on one open connection: what is subscribed, what was asked and not answered, whose sequence jumped.
 * Frames and time go in, actions come out; the shell carries them out in order. Each channel goes
 *
 *   OFF (not captured)
 *   DUE -- command sent --> ASKED -- subscribed, ok --> UP
 *    ^                        | error, no answer         | terminal error, unsubscribed
 *    +---- with back-off -----+--------------------------+
 *
 * Answers are matched by id, then by channel: their order means nothing. The exchange-wide channels are asked for one
 * by one without a ticker filter; books in batches, the first by `subscribe`, later ones by `update_subscription`.
 */

#define INGEST_COMMAND_TIMEOUT_NS (10 * KMD_NS_PER_S) /* then it is sent again */
#define INGEST_SILENCE_NS (30 * KMD_NS_PER_S)         /* no command answered for so long: the connection is given up */
#define INGEST_COMMANDS_MAX 16                        /* unanswered at a time */
#define INGEST_BOOK_BATCH_MAX 500                     /* tickers in one subscribe, add_markets, delete_markets */
#define INGEST_BOOK_BATCH_BYTES (16 * 1024)           /* of tickers in one command */
#define INGEST_BOOK_COMMANDS_MAX 2                    /* adds and deletes under way */
#define INGEST_BOOK_COMMAND_EVERY_NS (50 * KMD_NS_PER_MS)
#define INGEST_SNAPSHOT_BATCH_MAX 200 /* tickers in one get_snapshot */
#define INGEST_SNAPSHOT_EVERY_NS (250 * KMD_NS_PER_MS)
#define INGEST_SNAPSHOT_COMMANDS_MAX 4 /* remembered for the sake of their errors */
#define INGEST_SESSION_SIDS_MAX 32     /* remembered, gone ones included; the oldest gone one makes room */

enum ingest_sub_state { INGEST_SUB_OFF, INGEST_SUB_DUE, INGEST_SUB_ASKED, INGEST_SUB_UP };

struct ingest_sub {
	enum ingest_sub_state state;
	bool has_sid; /* UP in the old shape of `subscribed`: not before a frame of it */
	int64_t sid;
	int64_t seen_sid; /* ASKED: of a frame that came before the answer; 0: none */
	struct kmd_mono due;
	struct kmd_backoff again, slowly;
};

enum ingest_command_kind {
	INGEST_CMD_NONE,
	INGEST_CMD_SUBSCRIBE,
	INGEST_CMD_ADD,
	INGEST_CMD_DELETE,
	INGEST_CMD_SNAPSHOT
};

struct ingest_pending {
	enum ingest_command_kind kind;
	int64_t id;
	enum ingest_channel channel;
	struct kmd_mono deadline;
	struct ingest_book **books; /* of SUBSCRIBE to books, ADD, DELETE */
	size_t books_count;
};

/* A sid that is or was ours. */
struct ingest_session_sid {
	int64_t sid;
	enum ingest_channel channel;
	int64_t subscribed_ns; /* when its `subscribed` came */
	bool live;
};

struct ingest_session {
	struct ingest_sub subs[INGEST_CHANNEL_COUNT];
	struct ingest_pending pending[INGEST_COMMANDS_MAX];
	struct ingest_session_sid sids[INGEST_SESSION_SIDS_MAX];
	size_t sids_count;
	struct ingest_books books;
	struct ingest_seq seq;
	bool books_open; /* the book universe is known well enough to begin */
	bool resyncing;
	int64_t last_id;
	size_t batch_max; /* halved while batches are refused, so that one bad ticker is found */
	struct kmd_mono book_due, snapshot_due;
	struct kmd_backoff book_pause;
	size_t probe_it; /* where the next question about a book goes on (core/probe) */
	struct kmd_mono waiting_since; /* the oldest command since the last answer; ns 0: none */
	uint64_t rng;
};

enum ingest_act_kind {
	INGEST_ACT_SEND,       /* text: a command */
	INGEST_ACT_SUBSCRIBED, /* channel, sid (has_sid), markets: for books */
	INGEST_ACT_GONE,       /* channel, sid, code: terminal error (0: unsubscribed); it is asked for again */
	INGEST_ACT_GAP,        /* channel, gap */
	INGEST_ACT_RESYNCED,   /* sid: every book came back */
	INGEST_ACT_FAULT,      /* channel, code, text: the exchange refused a command; it is repeated later */
	INGEST_ACT_CLOSE,      /* text: reason; nothing more will come of this connection */
};

struct ingest_act {
	enum ingest_act_kind kind;
	enum ingest_channel channel;
	bool has_sid;
	int64_t sid, code;
	size_t markets;
	struct ingest_seq_gap gap;
	struct kmd_str text; /* lies in the list's arena */
};

/* What is to be done, in order. Zero-initialise it. */
struct ingest_acts {
	struct ingest_act *items;
	size_t count, cap;
	struct kmd_arena arena;
};
void ingest_acts_reset(struct ingest_acts *a);
void ingest_acts_fini(struct ingest_acts *a);

/** @channels bit 1u << enum ingest_channel of each that is captured. Everything is due at once; @seed for jitter. */
void ingest_session_init(struct ingest_session *s, unsigned channels, uint64_t seed);
void ingest_session_fini(struct ingest_session *s);

/** A market's book is wanted or not. Cheap; commands come with the next tick. */
void ingest_session_want(struct ingest_session *s, struct kmd_str ticker, bool wanted);
/** From now on books are subscribed. */
void ingest_session_open_books(struct ingest_session *s);

/**
 * Any frame of the connection, in order. @f was just scanned by @sc. INGEST_SEQ_NOT_NEW is what else than an action is
 * worth counting.
 */
enum ingest_seq_verdict ingest_session_frame(struct ingest_session *s, struct ingest_scanner *sc,
    const struct ingest_frame *f, int64_t recv_ns, struct kmd_mono now, struct ingest_acts *acts);
/** Sends what is due, notices what was not answered. */
void ingest_session_tick(struct ingest_session *s, struct kmd_mono now, struct ingest_acts *acts);

/** The sid as it is or was subscribed on this connection, NULL if it is none of ours. */
const struct ingest_session_sid *ingest_session_find_sid(const struct ingest_session *s, int64_t sid);
/** use_yes_price of a book frame just passed to ingest_session_frame: 1, 0, or -1 where its sid is none of ours. */
int ingest_session_use_yes_price(const struct ingest_session *s, const struct ingest_frame *f);
/** Is some channel subscribed, so that data should come? */
bool ingest_session_expects_data(const struct ingest_session *s);
/** Is every exchange-wide channel that is captured subscribed? */
bool ingest_session_is_complete(const struct ingest_session *s);

#endif
