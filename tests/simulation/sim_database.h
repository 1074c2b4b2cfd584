#ifndef SIM_DATABASE_H
#define SIM_DATABASE_H

#include "kmd_topic.h"
#include "sim_broker.h"
#include "sim_world.h"
#include "sink_table.h"

/*
 * The database: what the sink's statements mean, not a parser of SQL. Rows are changed in place with an undo log; who
 * reads for update waits for row locks; a transaction ends by COMMIT, by ROLLBACK, or with its connection. Objects are
 * never freed before the history's end, so an undo is a copy back.
 */

/* A row that came by COPY. */
struct db_row {
	enum sink_table table;
	int32_t partition;
	int64_t offset;
	bool live;                              /* inserted and not undone */
	struct db_conn *by;                     /* uncommitted yet; NULL: committed */
	int64_t at_ns;                          /* of its commit */
	struct kmd_str bytes;                   /* as sent */
	struct kmd_str field[SINK_COLUMNS_MAX]; /* NONE: NULL */
};

struct db_rows {
	struct db_row **of;
	size_t count, cap;
};

struct db_lineage {
	struct db_lineage *next;
	int64_t lineage, last_n;
	bool exists;
};

/* One line of sink_offsets. */
struct db_offset {
	bool exists;
	int64_t first, next, epoch;
	int64_t rows, dead, duplicates, expired;
	bool has_last, accepted;
	int64_t last_timestamp_ms, last_hash;
	struct kmd_str stopped; /* NONE: it is not */
	uint64_t owner;         /* backend */
	struct proc *claimed_by;
	struct db_lineage *lineages;
	struct db_rows in; /* every row that says it comes from this partition, dead letters too */
};

/* A line of settlements, markets, events or series. */
struct db_keyed {
	struct db_keyed *next;
	enum sink_table table;
	struct kmd_str key;
	bool exists;
	const struct db_row *row; /* latest content */
	int64_t revisions;
};

struct db_trade {
	struct db_trade *next;
	struct kmd_str id;
	struct kmd_str date;
	struct db_row *row;
};

struct db_undo {
	void *at;
	void *old;
	size_t n;
};

struct db_lock {
	const void *what;
	struct db_conn *by;
};

struct db_result {
	int rc;
	char state[6];
	char text[200];
	int rows, columns;
	struct kmd_str *values; /* rows * columns; NONE: NULL */
	int64_t affected;
	int64_t copy_row; /* at which a COPY failed, as it is told: maybe wrong; 0: untold */
};

struct db_request {
	struct kmd_str sql;
	struct kmd_str params[12];
	int params_count;
	bool is_copy;
	struct kmd_str data;
};

struct db_conn {
	struct db_conn *next;
	uint64_t id;
	struct proc *proc;
	bool closed; /* the server has let go of it */
	bool lost;   /* the client cannot use it any more */

	bool in_transaction, aborted;
	int64_t lock_timeout_ns; /* 0: none */
	struct db_undo *undo;
	size_t undo_count, undo_cap, savepoint;
	bool has_savepoint;
	struct db_rows made; /* in this transaction */
	struct db_offset *moved[BROKER_TPS_MAX];
	size_t moved_count;
	struct db_rows temporary[SINK_TABLE_COUNT];

	struct db_request request;
	bool busy;             /* a request is on its way or being served */
	int64_t arrives_ns;    /* when the request reaches the server */
	uint64_t statements;   /* counts requests */
	const void *waits_for; /* a row lock; NULL: none */
	int64_t waits_since_ns;
	struct db_result *result; /* of the last request, once it is served */
};

struct database {
	struct db_offset offsets[KMD_TOPIC_COUNT][BROKER_PARTITIONS_MAX];
	struct db_keyed *keyed[SINK_TABLE_COUNT];
	struct db_trade *trades[1024];
	struct db_lock *locks;
	size_t locks_count, locks_cap;
	struct db_conn *conns;
	uint64_t last_id;
	int64_t down_until_ns;
	uint64_t commits;
};

void database_open(void);
bool database_is_up(void);
/** Everybody is disconnected and nobody gets in for a while. */
void database_outage(int64_t for_ns);

/* sim_database.c, for sim_sql.c and sim_pg.c */
struct db_conn *db_connect(struct proc *p);
/** Ends its transaction, lets go of it. */
void db_terminate(struct db_conn *c);
struct db_conn *db_find(uint64_t id);
/** Sends the request that stands in c->request; the answer wakes the process. */
void db_send(struct db_conn *c, int64_t latency_ns);
/** Before a change of @n bytes at @at. */
void db_remember(struct db_conn *c, void *at, size_t n);
void db_undo_to(struct db_conn *c, size_t count);
/** True: @c holds the lock now. False: it waits; the statement is to be run again. */
bool db_lock(struct db_conn *c, const void *what);
void db_end(struct db_conn *c, bool commit);
bool db_waits_in_circle(const struct db_conn *c);

/* sim_sql.c: false: it has to wait for a lock. */
bool sql_run(struct db_conn *c, struct db_result *r);
/** Makes @r an error with SQLSTATE @state. */
void sql_fault(struct db_result *r, const char *state, const char *text);

/* sim_copy.c: rows of a COPY BINARY stream. */
void copy_read(enum sink_table t, struct kmd_str stream, struct db_rows *ret);
/** Text of a numeric as Postgres would show it; an integer column as a number. */
struct kmd_str copy_numeric(struct kmd_str field);
int64_t copy_int(struct kmd_str field);
/** Unix us of a timestamptz. */
int64_t copy_time_us(struct kmd_str field);
/** Number of a column by its name; asserts that it is there. */
int copy_column(enum sink_table t, const char *name);
struct kmd_str row_field(const struct db_row *r, const char *name);
enum kmd_topic table_topic(enum sink_table t);

struct db_offset *db_offset_of(struct kmd_str topic, int64_t partition);
struct db_keyed *db_keyed_of(enum sink_table t, struct kmd_str key);
struct db_trade *db_trade_of(struct kmd_str id, struct kmd_str date, bool make);

/* check_sink.c: a transaction that moved offsets is about to be committed. */
void check_commit(const struct db_conn *c);

#endif
