#ifndef SIM_EXCHANGE_H
#define SIM_EXCHANGE_H

#include "sim_frames.h"
#include "sim_world.h"
#include "types.h"

/*
 * The exchange: markets with books and lives, trades, WebSocket connections with subscriptions and sequences, REST. It
 * keeps all it ever did, which is the truth that the checks compare with.
 */

#define EX_MARKETS_MAX 24
#define EX_EVENTS_MAX 8
#define EX_SERIES_MAX 3
#define EX_SIDS_MAX 40

enum ex_status { EX_ACTIVE, EX_DETERMINED, EX_FINALIZED };

/* What REST shows of a market from .shown_ns on. */
struct ex_version {
	int64_t at_ns, shown_ns;
	enum ex_status status;
	const char *result, *value, *expiration;
	int64_t settled_ns;
};

struct ex_market {
	const char *ticker;
	size_t event;
	int64_t created_ns;
	bool told; /* it was created while somebody could listen: there was a frame */
	int yes[100], no[100];
	struct ex_version *versions;
	size_t versions_count, versions_cap;
	bool settled; /* the frame went out */
};

struct ex_event {
	const char *ticker;
	size_t series;
	int64_t created_ns;
};

struct ex_trade {
	struct frame_trade t;
	int64_t at_ns, shown_ns; /* by REST */
};

/* Something that was told to all who were subscribed. */
struct ex_pub {
	enum ingest_channel channel;
	int64_t at_ns;
	const char *what;
	const struct broker_record *stored; /* for the checks: a frame of it in the broker */
};

/* One message as it left the exchange. */
struct ex_frame {
	struct kmd_str bytes;
	const char *type;   /* as the envelope has it; "" where it has none */
	const char *ticker; /* key, where it has one */
	int64_t sid, seq;
	enum ingest_channel channel; /* COUNT: of none */
	struct ex_pub *pub;          /* NULL: an answer, a snapshot */
	int64_t sent_ns;
	int64_t n, recv_ns; /* once it was received */
	bool claims;        /* a reply that names .sid as subscribed */
	bool is_final, is_lost;
};

struct ex_sub {
	bool live;
	enum ingest_channel channel;
	int64_t seq;
	bool told; /* `subscribed` went out */
	bool markets[EX_MARKETS_MAX];
	bool unsure[EX_MARKETS_MAX]; /* added, and the other side has no way to know */
};

enum ex_state { EX_DIALING, EX_OPEN, EX_CLOSED };

struct ex_conn {
	struct ex_conn *next;
	struct ingest_ws *ws;
	struct proc *proc;
	int64_t lineage;
	enum ex_state state;
	struct ex_sub subs[EX_SIDS_MAX]; /* by sid; 0 is none */
	int64_t last_sid;
	bool old_shapes;
	int64_t arrival_ns, silent_until_ns, dialled_ns, opened_ns;
	struct ex_frame **sent; /* everything, in order */
	size_t sent_count, sent_cap;
	struct ex_frame **received; /* by n - 1 */
	size_t received_count, received_cap;
};

struct exchange {
	struct ex_market markets[EX_MARKETS_MAX];
	struct ex_event events[EX_EVENTS_MAX];
	const char *series[EX_SERIES_MAX];
	size_t markets_count, events_count, series_count;
	struct ex_trade **trades;
	size_t trades_count, trades_cap;
	struct ex_pub **pubs;
	size_t pubs_count, pubs_cap;
	struct ex_conn *conns; /* newest first */
	uint64_t serial;
	bool quiet;         /* nothing but tickers any more */
	int64_t cutoff_ns;  /* trades and settlements before it are in the archive alone; 0: it is empty */
	size_t page;        /* of a list */
	bool tells_markets; /* writes topic `markets` itself: no enricher is there to do it */
};

/* sim_exchange.c */
void exchange_open(void);
/** From now on nothing changes; tickers go on. */
void exchange_quiet(void);
/** What REST shows of @m at @at_ns; NULL: it does not know it yet. */
const struct ex_version *exchange_shows(const struct ex_market *m, int64_t at_ns);
struct ex_market *exchange_market(struct kmd_str ticker);
/** Appends the market, event or series object as REST has it. */
void exchange_market_body(struct kmd_buf *b, const struct ex_market *m, const struct ex_version *v);
void exchange_event_body(struct kmd_buf *b, const struct ex_event *e);

/* sim_exchange_ws.c */
void exchange_dial(struct ex_conn *c);
void exchange_command(struct ex_conn *c, struct kmd_str text);
/** The other side has gone. */
void exchange_hang_up(struct ex_conn *c);
/** To all that are subscribed to @channel (and to @market, for books); @write appends the frame. */
struct ex_message {
	enum ingest_channel channel;
	const char *type;
	const struct ex_market *market;
	const struct ex_trade *trade;
	void (*write)(struct kmd_buf *b, const struct frame_at *at, const struct ex_message *m);
	const char *event_type, *more; /* lifecycle */
	const struct ex_event *event;
	const char *side; /* delta */
	int price, delta;
};
void exchange_publish(const struct ex_message *m);
/** Now and then something happens to a connection. */
void exchange_disturb(void);

/* sim_exchange_rest.c */
struct ex_answer {
	int status; /* 0: there was none */
	struct kmd_buf body;
};
void exchange_get(const char *path, struct ex_answer *ret);

/* sim_ws.c: the client's side of a connection. */
void ws_opened(struct ex_conn *c);
void ws_refused(struct ex_conn *c, int http_status, const char *why);
void ws_arrived(struct ex_conn *c, struct ex_frame *f);
void ws_closed(struct ex_conn *c, const char *why);

#endif
