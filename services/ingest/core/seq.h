#ifndef INGEST_SEQ_H
#define INGEST_SEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The sequence of each subscription (sid) of one lineage. Everything the exchange numbers counts, replies too; the
 * first number should be 1, each next one more. A jump is one gap; a number not above the last changes nothing.
 *
 *   frame of an unknown sid -> PROVISIONAL, jumps kept back -- claim -> OURS, jumps told -- retire -> RETIRED
 *
 * Frames may precede the `subscribed` that names their sid, so an unknown sid is followed provisionally and its jumps
 * are told when it is claimed, or never. A retired number may come again: it starts afresh when it is claimed, with
 * what came since a frame of seq 1.
 */

#define INGEST_SEQ_SIDS_MAX 64      /* sids followed at a time; frames of further unknown ones are not */
#define INGEST_SEQ_KEPT_GAPS_MAX 64 /* jumps kept back of one provisional sid; further ones widen the last */

/* One numbered frame. */
struct ingest_seq_obs {
	int64_t sid, seq, recv_ns;
	bool has_ts;
	int64_t ts_ms; /* exchange time */
};

struct ingest_seq_gap {
	int64_t sid, expected, got;
	int64_t from_recv_ns, to_recv_ns; /* the frame before it (0: none) and the one after it */
	bool has_from_ts, has_to_ts;
	int64_t from_ts_ms, to_ts_ms;
};

enum ingest_seq_state { INGEST_SEQ_PROVISIONAL, INGEST_SEQ_OURS, INGEST_SEQ_RETIRED };

struct ingest_seq_sid {
	enum ingest_seq_state state;
	int64_t sid, last, recv_ns;
	bool has_ts;
	int64_t ts_ms;
	struct ingest_seq_gap *kept;
	size_t kept_count;
};

struct ingest_seq {
	struct ingest_seq_sid sids[INGEST_SEQ_SIDS_MAX];
	size_t count;
};

enum ingest_seq_verdict {
	INGEST_SEQ_NEXT,    /* as expected, or the sid is not ours (yet) */
	INGEST_SEQ_GAP,     /* *ret_gap says which */
	INGEST_SEQ_NOT_NEW, /* not above the last one */
};

/** Zero-initialise struct ingest_seq. Frees what is inside. */
void ingest_seq_fini(struct ingest_seq *s);
enum ingest_seq_verdict ingest_seq_frame(
    struct ingest_seq *s, const struct ingest_seq_obs *obs, struct ingest_seq_gap *ret_gap);
/**
 * `subscribed` names @sid, received at @recv_ns: it is ours. Idempotent. Returns the number of jumps that were kept
 * back and lends them in *ret_gaps until the next call.
 */
size_t ingest_seq_claim(struct ingest_seq *s, int64_t sid, int64_t recv_ns, const struct ingest_seq_gap **ret_gaps);
/** The subscription is gone. */
void ingest_seq_retire(struct ingest_seq *s, int64_t sid);
bool ingest_seq_is_ours(const struct ingest_seq *s, int64_t sid);

#endif
