#ifndef ENRICHER_INT_H
#define ENRICHER_INT_H

#include <stdbool.h>

#include "answer.h"
#include "cause.h"
#include "conf.h"
#include "kmd_app.h"
#include "kmd_arena.h"
#include "kmd_consumer.h"
#include "kmd_json.h"
#include "kmd_log.h"
#include "kmd_offsets.h"
#include "kmd_producer.h"
#include "kmd_rest.h"
#include "listing.h"
#include "published.h"
#include "sched.h"
#include "window.h"

/*
 * The state of kmd-enricher and what its files do for each other. One thread owns all of it; nothing blocks for longer
 * than a turn except boot, a commit at revocation and the drain.
 *
 *   intake   records of lifecycle and feed ─► causes ─► jobs          slots    partitions, offsets, commits
 *   fetch    jobs ─► calls ─► answers ─► one of lookup, walk, repair  publish  records ─► producer ─► causes done
 */

#define ENRICH_OPEN_MAX 20000                    /* records of lifecycle whose work is open; above, intake pauses */
#define ENRICH_OPEN_BYTES_MAX (64 * 1024 * 1024) /* idem, bytes of them kept for dead letters */
#define ENRICH_QUEUE_BYTES (INT64_C(256) * 1024 * 1024) /* producer's bound */
#define ENRICH_QUEUE_START_MAX (ENRICH_QUEUE_BYTES / 4) /* no call starts above it */
#define ENRICH_POLL_RECORDS 512                         /* taken in one go */
#define ENRICH_TURN_MS 100                              /* longest sleep of a turn */
#define ENRICH_CALL_TIMEOUT_NS (INT64_C(10) * 1000000000)
#define ENRICH_COMMIT_EVERY_NS (INT64_C(1) * 1000000000)
#define ENRICH_PARK_NS (INT64_C(15) * 1000000000)       /* a record waits for its event at most so long */
#define ENRICH_DRAIN_CALLS_NS (INT64_C(3) * 1000000000) /* a drain waits for calls in flight at most so long */
#define ENRICH_CUTOFF_KEY KMD_STR("")                   /* of the one job that asks where the archive begins */
#define ENRICH_YOUNG_NS (INT64_C(120) * 1000000000)     /* so long after `created` a 404 means "not yet" */

/* Label `endpoint` of kmd_enricher_requests_total. */
/* clang-format off */
#define ENRICH_ENDPOINTS(X) \
	X(MARKET, "market") \
	X(EVENT, "event") \
	X(SERIES, "series") \
	X(MARKETS, "markets") \
	X(EVENTS, "events") \
	X(TRADES, "trades") \
	X(HISTORICAL_MARKET, "historical_market") \
	X(HISTORICAL_TRADES, "historical_trades") \
	X(CUTOFF, "cutoff")
/* clang-format on */
enum enrich_endpoint {
#define ENRICH_ENDPOINT_ENUM(name, label) ENRICH_EP_##name,
	ENRICH_ENDPOINTS(ENRICH_ENDPOINT_ENUM)
#undef ENRICH_ENDPOINT_ENUM
	    ENRICH_EP_COUNT,
};

/* One partition of lifecycle or feed that is or was ours. */
struct enrich_slot {
	enum kmd_topic topic;
	int32_t partition;
	bool live, begun;
	bool astray;         /* the broker has nothing at .position: where to read on is to be found */
	int64_t position;    /* idem */
	uint32_t generation; /* counts beginnings: causes of an earlier one are ignored */
	struct kmd_offsets offsets;
	int64_t committed;
};

/* Records that one answer (or one walk, one window) led to; their causes are done when the last is acknowledged. */
struct enrich_batch {
	uint64_t outstanding;
	bool open;   /* more may come */
	bool failed; /* a record was refused for good: the causes stay open */
	struct enrich_causes causes;
	struct enrich_batch *prev, *next;
};

/* A call under way. */
struct enrich_call {
	struct enrich_job *job; /* NULL: free */
	enum enrich_endpoint endpoint;
	unsigned key; /* which reading of the key file signed it */
};

/* A trade window being fetched; .data of its job. */
struct enrich_repair {
	struct enrich_window window;
	enum { ENRICH_REPAIR_START, ENRICH_REPAIR_LIVE, ENRICH_REPAIR_HISTORICAL } phase; /* start: see the cutoff */
	unsigned round;                                                                   /* 0, then once more */
	struct enrich_pager pager;
	struct enrich_batch *batch;
};

enum enrich_boot { ENRICH_BOOT_TOPICS, ENRICH_BOOT_READ, ENRICH_BOOT_CATCH_UP, ENRICH_BOOT_JOIN, ENRICH_BOOTED };

struct enricher_stats {
	struct kmd_counter *requests[ENRICH_EP_COUNT][ENRICH_CODE_COUNT];
	struct kmd_counter *records[KMD_TOPIC_COUNT]; /* NULL for topics we do not write */
	struct kmd_counter *refused[KMD_TOPIC_COUNT];
	struct kmd_counter *empties, *tombstones;
	struct kmd_gauge *in_flight, *pending, *open, *offset, *settlement_wait;
};

struct enricher {
	struct kmd_app *app;
	const struct enrich_settings *set;
	struct kmd_kafka kafka;
	struct kmd_signer *signer;
	struct kmd_rest *rest;
	struct kmd_producer *producer;
	struct kmd_consumer *reader, *group; /* NULL until their turn in boot */

	enum enrich_boot boot;
	struct kmd_mono boot_again;
	struct kmd_mono mono; /* of this turn, or of the answer being handled */
	struct kmd_wall wall;

	struct enrich_book book;
	struct enrich_sched sched;
	struct enrich_published published;
	struct enrich_windows windows;
	struct enrich_listing listing;
	struct enrich_batch *listing_batch; /* of the walk under way */
	struct kmd_mono full_due;           /* next walk through everything */
	int64_t reconcile_from_ns;          /* greatest settled_at known when the lead came to us; 0: none */
	unsigned deferrals;                 /* reconciliations in a row that had to leave something out */
	bool leads, drains;
	bool more;  /* records were left in a client: the next turn does not sleep */
	bool fatal; /* a consumer failed for good */
	struct kmd_mono drain_calls_until;

	struct enrich_slot *slots;
	size_t slots_count;
	bool paused, flow_stale; /* stale: partitions came since they were paused */
	struct kmd_mono commit_due, stats_due, prune_due, refresh_due;
	unsigned keys_read; /* times that the key file was read again */
	bool locked_out;    /* the pause is for a refusal of key or clock: a new key ends it */

	struct enrich_call *calls;   /* max_in_flight */
	struct enrich_batch batches; /* head of the ring of all batches */
	uint64_t unreported[KMD_TOPIC_COUNT];

	int64_t cutoff_ns;            /* trades before it are historical; 0: none */
	struct kmd_mono cutoff_known; /* 0: never asked */
	unsigned failures;            /* calls without a useful answer in a row */

	struct enricher_stats stats;
	struct kmd_burst burst_retry[ENRICH_JOB_KINDS], burst_refused[KMD_TOPIC_COUNT];
	struct kmd_burst burst_boot, burst_throttled, burst_key, burst_clock, burst_key_file, burst_letter, burst_trade;
	struct kmd_burst burst_commit, burst_list, burst_cut;
	struct kmd_json doc;    /* of the answer or record at hand */
	struct kmd_arena arena; /* idem */
	struct kmd_buf out, path;
};

/* slots.c */
extern const struct kmd_rebalance_ops enrich_rebalance;
uint32_t enrich_slot_of(const struct enricher *e, enum kmd_topic topic, int32_t partition);
void enrich_slots_settle(struct enricher *e); /* done causes move offsets */
void enrich_slots_commit(struct enricher *e, bool sync);
void enrich_slots_pace(struct enricher *e); /* pauses or resumes intake */
void enrich_slots_find_astray(struct enricher *e);
void enrich_slots_fini(struct enricher *e);

/* intake.c */
void enrich_intake_own(struct enricher *e);
void enrich_intake_group(struct enricher *e);
void enrich_dead_letter(
    struct enricher *e, struct enrich_cause *c, const char *stage, const char *reason); /* takes one hold */

/* publish.c */
struct enrich_batch *enrich_batch_open(struct enricher *e);
/** False: the queue is full (or the client failed): undo, retry later. A record that can never fit counts as sent, and
 * fails the batch. */
bool enrich_send(struct enricher *e, struct enrich_batch *b, enum kmd_topic topic, struct kmd_str key,
    struct kmd_str value, const struct kmd_header *headers, size_t headers_count, int64_t wall_ns);
/** A record of our own, in e->out: headers type and content-type. @mark of its content is noted (0: none is) when the
 * producer took it. */
bool enrich_send_own(struct enricher *e, struct enrich_batch *b, enum kmd_topic topic, struct kmd_str key,
    uint64_t mark, int64_t wall_ns);
void enrich_batch_close(struct enricher *e, struct enrich_batch *b);
/** Closes without doing anything about its causes, which the caller took back or lets go. */
void enrich_batch_abandon(struct enricher *e, struct enrich_batch *b);
void enrich_on_delivery(void *ctx, const struct kmd_delivery *d);
void enrich_batches_purge(struct enricher *e, uint32_t slot);
void enrich_batches_fini(struct enricher *e);

/* fetch.c */
void enrich_fetch_start(struct enricher *e);
void enrich_on_answer(void *ctx, const struct kmd_rest_answer *a);
void enrich_fetch_retry(struct enricher *e, struct enrich_job *job, const char *why);
void enrich_key_refresh(struct enricher *e); /* reads the key file if it changed; a refusal of the former key is over */

/* market.c, parent.c: lookups */
void enrich_on_market(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a, int64_t received_ns);
void enrich_unpark(struct enricher *e, struct enrich_job *job);
void enrich_unpark_all(struct enricher *e, struct kmd_str event);
void enrich_want_market(struct enricher *e, struct enrich_cause *c, struct kmd_str ticker);
bool enrich_send_market(struct enricher *e, struct enrich_batch *b, struct kmd_json_val body, int64_t received_ns);
bool enrich_send_settlement(struct enricher *e, struct enrich_batch *b, struct kmd_settlement_data *d,
    const char *trigger, int64_t received_ns);
void enrich_on_parent(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a, int64_t received_ns);
void enrich_want_event(struct enricher *e, struct enrich_cause *c, struct kmd_str event, enum enrich_lane lane);
void enrich_want_series(struct enricher *e, struct enrich_cause *c, struct kmd_str series, enum enrich_lane lane);
void enrich_want_parent(
    struct enricher *e, enum enrich_kind kind, struct kmd_str ticker, enum enrich_lane lane); /* for no frame */
bool enrich_send_parent(
    struct enricher *e, struct enrich_batch *b, enum kmd_topic topic, struct kmd_json_val body, int64_t received_ns);
/* Is a call needed? Drops causes that are satisfied. */
enum enrich_need {
	ENRICH_NEEDED,
	ENRICH_NEEDLESS,
	ENRICH_NOT_YET, /* what it asks for was fetched just now: its record is not acknowledged yet */
};
enum enrich_need enrich_lookup_need(struct enricher *e, struct enrich_job *job);
void enrich_lookup_absent(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a);

/* walk.c */
void enrich_walk_lead(struct enricher *e); /* the lead came to us */
void enrich_walk_due(struct enricher *e, int64_t delay_ns, bool full);
bool enrich_was_listed(const struct enricher *e, const struct enrich_batch *b, enum kmd_topic topic,
    struct kmd_str ticker, uint64_t mark);  /* a record of the walk that is with the producer already */
bool enrich_walk_begin(struct enricher *e); /* before its call; begins a walk if none is under way */
void enrich_on_page(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a, int64_t received_ns);
void enrich_walk_stop(struct enricher *e);

/* repair.c */
void enrich_repair_new(struct enricher *e);                            /* windows found in feed become jobs */
bool enrich_repair_begin(struct enricher *e, struct enrich_repair *r); /* before its call; false: not yet */
enum enrich_endpoint enrich_repair_path(struct enricher *e, const struct enrich_repair *r);
void enrich_on_trades(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a, int64_t received_ns);
void enrich_repair_end(struct enricher *e, struct enrich_job *job);
void enrich_on_cutoff(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a);
void enrich_repairs_stop(struct enricher *e);

/* stats.c */
void enrich_stats_init(struct enricher *e);
void enrich_stats_turn(struct enricher *e);
void enrich_exchange_ready(struct enricher *e, bool ok, const char *why);

#endif
