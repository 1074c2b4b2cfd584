#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "setup.h"
#include "sim_broker.h"
#include "sim_coro.h"
#include "sim_exchange.h"
#include "sim_proc.h"
#include "ws.h"

/*
 * ws.h of ingest against the simulated exchange: what the receiving thread does. A message is received when it is put
 * into the ring, with its number and times; while the process stands still or the ring is full it waits in the socket.
 */

struct event {
	struct event *next;
	enum ingest_ws_kind kind;
	struct ex_conn *conn;
	struct ex_frame *frame; /* of MESSAGE */
	int http_status;
	const char *text;
	int64_t recv_ns, mono_ns;
	size_t bytes;
};

struct queue {
	struct event *head, *tail;
};

struct ingest_ws {
	struct proc *proc;
	struct queue socket, ring;
	size_t ring_bytes, ring_max;
	int64_t stamp_ns;
	bool pumping, dead;
};

static void put(struct queue *q, struct event *e)
{
	e->next = NULL;
	if (q->tail)
		q->tail->next = e;
	else
		q->head = e;
	q->tail = e;
}

static struct event *take(struct queue *q)
{
	struct event *e = q->head;

	q->head = e->next;
	if (!q->head)
		q->tail = NULL;
	return e;
}

static void receive(struct ingest_ws *w, struct event *e)
{
	struct ex_conn *c = e->conn;

	/* Two messages never have the same time here, so that a time in `feed` names one. */
	e->recv_ns = proc_wall_ns(w->proc) > w->stamp_ns ? proc_wall_ns(w->proc) : w->stamp_ns + 1;
	w->stamp_ns = e->recv_ns;
	e->mono_ns = proc_mono_ns(w->proc);
	if (e->frame) {
		struct ex_frame *f = e->frame;

		c->received = sim_grow(c->received, c->received_count, &c->received_cap, sizeof(struct ex_frame *));
		c->received[c->received_count++] = f;
		f->n = (int64_t)c->received_count;
		f->recv_ns = e->recv_ns;
	}
	if (e->kind == INGEST_WS_OPENED)
		c->opened_ns = sim->now_ns;
	w->ring_bytes += e->bytes;
	put(&w->ring, e);
	coro_wake(w->proc, w);
}

static void on_pump(void *ctx, uint64_t arg);

static void pump(struct ingest_ws *w)
{
	while (!w->dead && w->socket.head && proc_runs(w->proc) &&
	       (w->ring_bytes == 0 || w->ring_bytes + w->socket.head->bytes <= w->ring_max))
		receive(w, take(&w->socket));
	if (w->socket.head && !w->dead && !w->pumping) {
		w->pumping = true;
		sim_after(50 * SIM_MS, on_pump, w, 0);
	}
}

static void on_pump(void *ctx, uint64_t arg)
{
	struct ingest_ws *w = ctx;

	(void)arg;
	w->pumping = false;
	pump(w);
}

static struct event *add(struct ex_conn *c, enum ingest_ws_kind kind)
{
	struct event *e = sim_alloc(sizeof(*e));

	e->kind = kind;
	e->conn = c;
	e->bytes = 64;
	put(&c->ws->socket, e);
	return e;
}

void ws_opened(struct ex_conn *c)
{
	add(c, INGEST_WS_OPENED);
	pump(c->ws);
}

void ws_refused(struct ex_conn *c, int http_status, const char *why)
{
	struct event *e = add(c, INGEST_WS_REFUSED);

	e->http_status = http_status;
	e->text = why;
	pump(c->ws);
}

void ws_arrived(struct ex_conn *c, struct ex_frame *f)
{
	struct event *e = add(c, INGEST_WS_MESSAGE);

	e->frame = f;
	e->bytes += f->bytes.n;
	pump(c->ws);
}

void ws_closed(struct ex_conn *c, const char *why)
{
	struct event *e;

	if (c->state == EX_CLOSED)
		return;
	c->state = EX_CLOSED;
	e = add(c, INGEST_WS_CLOSED);
	e->text = why;
	pump(c->ws);
}

static void on_gone(void *ctx)
{
	struct ingest_ws *w = ctx;

	w->dead = true;
	for (struct ex_conn *c = sim->exchange->conns; c; c = c->next)
		if (c->ws == w)
			exchange_hang_up(c);
}

int ingest_ws_start(struct ingest_ws **ret, const struct ingest_url *url, const char *ca_file, struct kmd_err *err)
{
	struct ingest_ws *w = sim_alloc(sizeof(*w));

	(void)url;
	(void)ca_file;
	(void)err;
	w->proc = proc_self();
	w->ring_max = sim_chance(200) ? 4000 : INGEST_WS_RING_BYTES;
	proc_on_end(w->proc, on_gone, w);
	*ret = w;
	return 0;
}

void ingest_ws_stop(struct ingest_ws *w)
{
	if (w)
		on_gone(w);
}

bool ingest_ws_peek(struct ingest_ws *w, struct ingest_ws_event *ret)
{
	const struct event *e = w->ring.head;

	if (!e)
		return false;
	*ret = (struct ingest_ws_event){
	    .kind = e->kind,
	    .lineage = e->conn->lineage,
	    .recv_ns = e->recv_ns,
	    .mono_ns = e->mono_ns,
	    .http_status = e->http_status,
	    .text = e->frame ? e->frame->bytes : kmd_str_z(e->text ? e->text : ""),
	    .n = e->frame ? e->frame->n : 0,
	};
	return true;
}

void ingest_ws_pop(struct ingest_ws *w)
{
	const struct event *e = take(&w->ring);

	w->ring_bytes -= e->bytes;
	pump(w);
}

void ingest_ws_wait(struct ingest_ws *w, int timeout_ms)
{
	proc_point();
	if (!w->ring.head)
		coro_sleep(sim->now_ns + timeout_ms * SIM_MS * (int64_t)(1 + sim_below(20)), w);
}

size_t ingest_ws_queued_bytes(const struct ingest_ws *w)
{
	return w->ring_bytes;
}

static struct ex_conn *find(const struct ingest_ws *w, int64_t lineage)
{
	struct ex_conn *c = sim->exchange->conns;

	while (c && !(c->ws == w && c->lineage == lineage))
		c = c->next;
	return c;
}

bool ingest_ws_dial(struct ingest_ws *w, int64_t lineage, const struct kmd_sign_headers *sign)
{
	struct ex_conn *c = sim_alloc(sizeof(*c));

	(void)sign;
	proc_point();
	for (const struct ex_conn *o = sim->exchange->conns; o; o = o->next)
		SIM_CHECK(o->lineage != lineage, "lineage %lld once more", (long long)lineage);
	c->ws = w;
	c->proc = w->proc;
	c->lineage = lineage;
	exchange_dial(c);
	return true;
}

bool ingest_ws_send(struct ingest_ws *w, int64_t lineage, struct kmd_str text)
{
	struct ex_conn *c = find(w, lineage);

	proc_point();
	if (c && c->state == EX_OPEN)
		exchange_command(c, text);
	return true;
}

/* Drops what the socket still holds of the connection. */
static void stop_reading(struct ingest_ws *w, const struct ex_conn *c)
{
	struct queue all = w->socket;

	w->socket = (struct queue){NULL, NULL};
	while (all.head) {
		struct event *e = take(&all);

		if (e->conn != c)
			put(&w->socket, e);
	}
}

bool ingest_ws_close(struct ingest_ws *w, int64_t lineage, const char *reason)
{
	struct ex_conn *c = find(w, lineage);
	const bool opened = c && c->opened_ns;
	struct event *e;

	proc_point();
	if (!c || c->state == EX_CLOSED)
		return true; /* its end is in the ring already */
	stop_reading(w, c);
	exchange_hang_up(c);
	e = add(c, opened ? INGEST_WS_CLOSED : INGEST_WS_REFUSED);
	e->text = sim_dup(kmd_str_z(reason)).p;
	pump(w);
	return true;
}

/* ---- the thread that makes the topics ---- */

struct ingest_setup {
	bool done;
};

int ingest_setup_start(
    struct ingest_setup **ret, struct kmd_app *app, const struct kmd_kafka *kafka, struct kmd_err *err)
{
	(void)app;
	(void)kafka;
	(void)err;
	*ret = calloc(1, sizeof(**ret));
	return 0;
}

bool ingest_setup_done(const struct ingest_setup *s)
{
	(void)s;
	return broker_is_up();
}

void ingest_setup_stop(struct ingest_setup *s)
{
	free(s);
}
