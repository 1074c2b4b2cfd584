#ifndef INGEST_INT_H
#define INGEST_INT_H

#include "conf.h"
#include "dial.h"
#include "durable.h"
#include "ends.h"
#include "instance.h"
#include "kmd_consumer.h"
#include "kmd_feed.h"
#include "kmd_log.h"
#include "kmd_producer.h"
#include "kmd_sign.h"
#include "markets.h"
#include "owner.h"
#include "probe.h"
#include "route.h"
#include "session.h"
#include "setup.h"
#include "shard.h"
#include "spooling.h"
#include "stale.h"
#include "stats.h"
#include "ws.h"

/*
 * The pipeline of kmd-ingest: one thread, the app's main loop, owns all of this. Shared by ingest.c (life), line.c
 * (dialling, what happens to connections), frames.c (message to broker and back), notes.c (topic feed), intake.c
 * (topics that are read), owner.c (which shards are ours).
 */

/* Handed to the broker client and not acknowledged: far more than a broker has under way, and nearly three times that
 * in memory with what librdkafka keeps beside it. What waits longer waits in the ring, where it takes its own size. */
#define INGEST_PRODUCER_BYTES (16 * 1024 * 1024)
#define INGEST_TURN_EVENTS 2000 /* messages in one turn of the loop */
#define INGEST_IDLE_MS 5        /* a turn without messages waits so long for one */
#define INGEST_CONNS_SPARE \
	14 /* places for lineages: two a shard and so many more, for ended ones whose frames are not \
	      all acknowledged */
#define INGEST_ALIVE_NS (5 * KMD_NS_PER_S)
#define INGEST_ALIVE_LEAVING_NS (1 * KMD_NS_PER_S) /* of a shard whose successor waits for it */
#define INGEST_DIAL_TIMEOUT_NS (15 * KMD_NS_PER_S) /* name, TCP, TLS and handshake together */
#define INGEST_KEY_LOOK_NS (1 * KMD_NS_PER_S)      /* a refused key's file is looked at so often */
#define INGEST_MARKETS_WAIT_NS (10 * KMD_NS_PER_S) /* books wait so long for topic markets to be read to its end */
#define INGEST_RECONCILE_NS (30 * KMD_NS_PER_S)    /* the whole universe is compared with what is subscribed */
#define INGEST_BOOKS_GRACE_NS (30 * KMD_NS_PER_S)  /* a difference so old makes /readyz say so */
#define INGEST_LAG_MAX_NS \
	(1 * KMD_NS_PER_S) /* further behind the socket than this, silence and lateness are not judged */

/* Something for topic `feed` that waits for its turn. */
struct ingest_note {
	struct ingest_note *next;
	int64_t lineage;
	struct kmd_feed_record record; /* its views are static, or point into what outlives the note */
	bool needs_end;                /* a `subscribed`: not before its channel's former end is known */
	enum ingest_channel channel;
	int64_t n;      /* of the frame that caused it */
	char text[256]; /* what record.reason points to, if anything */
};

struct ingest_notes {
	struct ingest_note *head, *tail;
};

enum ingest_conn_state {
	INGEST_CONN_FREE,
	INGEST_CONN_DIALING,
	INGEST_CONN_OPEN,
	INGEST_CONN_ENDED, /* closed; some of its frames are not acknowledged */
};

struct ingest_line;

/* One connection, one lineage. */
struct ingest_conn {
	enum ingest_conn_state state;
	struct ingest_line *line;
	int64_t lineage, last_n;
	bool giving_up;                  /* closing was asked for */
	bool delivered;                  /* data has come */
	bool handed_over;                /* `handover` was told */
	size_t marked_sids;              /* so many of its sids the spool has heard of */
	struct kmd_mono since, alive_at; /* alive_at: the last `alive` */
	char reason[160];                /* of its end */
	struct ingest_session session;
	struct ingest_durable durable;
	struct ingest_notes notes;
};

/* One shard of the book universe: a place that should always have a connection. Shard 0 has the exchange-wide channels
 * too. */
struct ingest_line {
	int64_t shard;
	int64_t first_lineage; /* since it is captured here; 0: none yet */
	enum ingest_shard_state told_state;
	struct kmd_gauge *held;
	size_t wanted;           /* books of the shard that are wanted */
	struct ingest_ends ends; /* of its former lineages */
	struct ingest_dial dial;
	struct ingest_stale stale;
	struct ingest_conn *conn; /* dialling or open; NULL: waiting for dial.due */
	char trouble[256];        /* why there is none, for /readyz */
	bool key_refused;         /* the last handshake ended with 401 or 403: a new key is tried at once */
	struct kmd_mono key_due;
};

struct ingest {
	struct kmd_app *app;
	const struct ingest_settings *settings;
	struct ingest_conf conf;
	char instance[INGEST_INSTANCE_MAX];
	struct kmd_signer *signer;
	struct ingest_ws *ws;
	struct ingest_setup *setup;
	struct kmd_producer *producer;
	struct kmd_consumer *markets_reader, *feed_reader;
	bool markets_known, feed_known; /* read to where they ended when we began */
	int64_t newest_lineage;         /* that feed told of */
	struct ingest_markets markets;
	struct ingest_owner owner;
	struct ingest_line *lines; /* one a shard */
	size_t lines_count;
	struct ingest_conn *conns;
	size_t conns_count;
	struct ingest_notes outbox; /* released, not yet taken by the producer */
	struct ingest_spooling spooling;
	struct ingest_stats stats;

	struct ingest_scanner scanner;
	struct ingest_acts acts;
	struct kmd_json doc; /* of records read */
	struct kmd_arena arena;

	/* The message at the head of the ring, once it has been decided: sending may have to be tried again. */
	bool decided;
	struct ingest_route route;

	uint64_t unsettled[KMD_TOPIC_COUNT];                                 /* sent, no report yet */
	struct kmd_mono now, recount_due, reconcile_due, kafka_due, even_at; /* even_at: when no book was missing */
	struct kmd_wall wall;
	struct kmd_mono deadline; /* of a stop */
	int64_t lag_ns;           /* age of the last message popped; 0: nothing waits */
	bool draining, fatal;
};

/* line.c */
void ingest_lines_init(struct ingest *g);
void ingest_lines_fini(struct ingest *g);
void ingest_lines_tick(struct ingest *g);
void ingest_line_on_opened(struct ingest *g, const struct ingest_ws_event *event);
void ingest_line_on_ended(struct ingest *g, const struct ingest_ws_event *event);
/** A frame of a subscription came: data, or a numbered reply. */
void ingest_line_on_data(struct ingest *g, struct ingest_conn *conn);
/** Carries out g->acts, caused by frame @n of @conn (0: by time). */
void ingest_line_act(struct ingest *g, struct ingest_conn *conn, int64_t n, int64_t recv_ns);
void ingest_line_give_up(struct ingest *g, struct ingest_conn *conn, const char *reason);
struct ingest_conn *ingest_find_conn(struct ingest *g, int64_t lineage);
/** Tells the connection of its shard that a market's book is wanted or not. */
void ingest_want(struct ingest *g, struct kmd_str ticker, enum ingest_want want);

/* frames.c */
/** Serves what waits in the ring. True: something was done. */
bool ingest_frames_serve(struct ingest *g);
void ingest_frames_on_delivery(void *ctx, const struct kmd_delivery *d);
uint64_t ingest_ref(const struct ingest *g, const struct ingest_conn *conn, int64_t n);
/** NULL: a record of `feed`. */
struct ingest_conn *ingest_conn_of_ref(struct ingest *g, uint64_t ref, int64_t *ret_n);
/** The number in the header of that name; 0: there is none. */
int64_t ingest_header_number(const struct kmd_header *headers, size_t n, const char *name);
/** Counts and tells in `feed` that the broker does not take frame @n of @lineage, which may be of a former life. */
void ingest_refused(
    struct ingest *g, enum kmd_topic topic, int64_t lineage, int64_t n, size_t size, int rc, const char *reason);

/* notes.c */
struct ingest_note *ingest_note_add(struct ingest *g, struct ingest_conn *conn, enum kmd_feed_kind kind, int64_t at_ns);
/** About a lineage that is not ours any more. */
struct ingest_note *ingest_note_orphan(struct ingest *g, int64_t lineage, enum kmd_feed_kind kind, int64_t at_ns);
/** Sends a record as it is. 0, or as ingest_out(). */
int ingest_notes_send(struct ingest *g, const struct kmd_feed_record *record, bool late_end) KMD_MUST_CHECK;
/** Appends what an `alive` would tell of all its sids. */
void ingest_notes_mark(const struct ingest *g, const struct ingest_conn *conn, struct kmd_buf *out);
void ingest_note_reason(struct ingest_note *note, const char *reason);
/** Writes what may be written. False: the producer is full. */
bool ingest_notes_flush(struct ingest *g);
/** False: something of the connection waits, and `alive` behind it: not yet. */
bool ingest_notes_alive(struct ingest *g, struct ingest_conn *conn);
void ingest_notes_free(struct ingest_notes *notes);

/* intake.c */
int ingest_intake_start(struct ingest *g, struct kmd_err *err) KMD_MUST_CHECK;
void ingest_intake_step(struct ingest *g);
void ingest_intake_stop(struct ingest *g);
/** Is the end of the former lineages known, so that a connection may be opened? */
bool ingest_intake_ready(const struct ingest *g);

#endif
