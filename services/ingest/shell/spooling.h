#ifndef INGEST_SPOOLING_H
#define INGEST_SPOOLING_H

#include "ends.h"
#include "kmd_feed.h"
#include "kmd_producer.h"
#include "spool.h"

/*
 * How the pipeline uses the disk spool. Every record leaves by ingest_out(): to the producer, or behind what is
 * spooled. Without KMD_INGEST_SPOOL_DIR there is no spool and only the first way. Pipeline thread.
 */

#define INGEST_SPOOL_MARK_NS (1 * KMD_NS_PER_S)     /* marks are written so often, and at the head of each segment */
#define INGEST_SPOOL_MARKETS_NS (10 * KMD_NS_PER_S) /* the list of markets is written so often, if it changed */
#define INGEST_SPOOL_CONFIRM_NS \
	(900 * KMD_NS_PER_S)                     /* one that topic markets does not have after that is forgotten \
						  */
#define INGEST_SPOOL_HURRY_NS (3 * KMD_NS_PER_S) /* of a stop's time are kept for putting the rest away */

struct ingest;
struct ingest_dead;
struct ingest_conn;

/* What becomes durable when a batch does. */
struct ingest_spooled {
	int64_t *n; /* of each place in g->conns its highest frame; 0: none */
	uint64_t counts[KMD_TOPIC_COUNT];
};

struct ingest_spooling {
	struct ingest_spool *spool; /* NULL: none */
	bool on;                    /* new records go to it */
	bool full_told;
	bool producer_full; /* as it said last */
	struct ingest_spool_policy policy;
	struct ingest_spooled front, given;
	struct ingest_dead *dead;      /* while the spool is scanned */
	struct ingest_ends *feed_ends; /* of each line, what topic feed told and nothing else */
	struct kmd_mono broker_seen, look_due, mark_due, markets_due;
	struct kmd_mono confirm_due; /* 0: topic markets has not been read to its end */
	uint64_t markets_noted;      /* g->markets.changes as of the file */
	bool remembering;            /* markets of a former life were taken for the universe */
};

/* A record on its way out; all is borrowed. */
struct ingest_parcel {
	struct ingest_conn *conn; /* of a frame; NULL: a record of `feed` */
	int64_t lineage, n, timestamp_ms;
	bool late_end; /* see struct ingest_spool_record */
	enum kmd_topic topic;
	struct kmd_str key, value;
	const struct ingest_header *headers;
	size_t headers_count;
};

/** Opens the spool if there is one, and puts an end to the lineages of former lives in it. KMD_ECONFIG. */
int ingest_spooling_start(struct ingest *g, struct kmd_err *err) KMD_MUST_CHECK;
void ingest_spooling_stop(struct ingest *g);

/** 0; KMD_EAGAIN: not now; others as kmd_producer_send. */
int ingest_out(struct ingest *g, const struct ingest_parcel *p) KMD_MUST_CHECK;
/** Once a turn, after the producer was polled and @reported so many. True: something was done. */
bool ingest_spooling_step(struct ingest *g, int reported);
/** True: the record came from the spool. */
bool ingest_spooling_delivered(struct ingest *g, const struct kmd_delivery *d);
/** Keeps a refused record in a file, where there is a spool. */
void ingest_spooling_keep(struct ingest *g, const struct kmd_delivery *d, int64_t lineage, int64_t n);
/** A record of topic `feed` as it was before this life. */
void ingest_spooling_learn(struct ingest *g, const struct kmd_feed_record *r, size_t line);

/** Keeps the list of markets, and uses that of a former life while topic markets cannot be read. Each turn. */
void ingest_spooling_markets(struct ingest *g);
/** Is the broker away, and the spool there to capture without it? */
bool ingest_spooling_stands_in(const struct ingest *g);
/** Does the broker not answer, so that asking it anything would only hold up the pipeline? Never without a spool. */
bool ingest_spooling_cut_off(const struct ingest *g);
/** Readiness and gauges. */
void ingest_spooling_look(struct ingest *g);
/** Nothing more is received: the spool may be filled to its last byte. */
void ingest_spooling_drain(struct ingest *g);
/** Is everything that waits inside safe, either way? */
bool ingest_spooling_at_rest(const struct ingest *g);

#endif
