#include <assert.h>
#include <stdlib.h>

#include "kmd_mem.h"
#include "kmd_producer.h"
#include "sim_broker.h"
#include "sim_coro.h"
#include "sim_proc.h"

/*
 * kmd_producer.h against the simulated broker: records of one partition are appended in the order they were sent, those
 * of different partitions in any; acknowledgements come later, and not at all to a process that died meanwhile.
 */

#define FIRST_WIRE_NS (30 * SIM_MS)

struct pending {
	struct pending *next;
	struct pending *older, *newer; /* all that are not reported, in the order of sending */
	struct broker_record *record;
	uint64_t ref;
	int rc;
	bool arrived;
	size_t bytes;
};

struct fifo {
	struct pending *head, *tail;
	bool under_way;   /* an append is scheduled */
	int64_t acked_ns; /* acknowledgements keep their order */
};

struct kmd_producer {
	struct proc *proc;
	kmd_delivery_fn fn;
	void *ctx;
	uint64_t outstanding, bytes, bytes_max;
	struct fifo fifos[KMD_TOPIC_COUNT][BROKER_PARTITIONS_MAX];
	struct fifo reports;
	struct pending *first, *last;
	bool dead;
};

static void put(struct fifo *f, struct pending *e)
{
	e->next = NULL;
	if (f->tail)
		f->tail->next = e;
	else
		f->head = e;
	f->tail = e;
}

static struct pending *take(struct fifo *f)
{
	struct pending *e = f->head;

	f->head = e->next;
	if (!f->head)
		f->tail = NULL;
	return e;
}

static void on_gone(void *ctx)
{
	struct kmd_producer *p = ctx;

	p->dead = true;
}

int kmd_producer_new(struct kmd_producer **ret, const struct kmd_kafka *k, int64_t queue_bytes, kmd_delivery_fn fn,
    void *ctx, struct kmd_err *err)
{
	/* The enricher's has room for all that one answer leads to, by far. */
	static const uint64_t bounds[] = {3000, 20000, 200000}, wide[] = {300000, 400000, 800000};
	const uint64_t *tight = queue_bytes > 128 * 1024 * 1024 ? wide : bounds;
	struct kmd_producer *p = sim_alloc(sizeof(*p));

	(void)k;
	(void)err;
	p->proc = proc_self();
	p->fn = fn;
	p->ctx = ctx;
	p->bytes_max = sim_chance(300) ? tight[sim_below(3)] : (uint64_t)queue_bytes;
	proc_on_end(p->proc, on_gone, p);
	*ret = p;
	return 0;
}

void kmd_producer_free(struct kmd_producer *p)
{
	if (p)
		p->dead = true;
}

struct arrival {
	struct kmd_producer *producer;
	struct pending *entry;
};

static void on_ack(void *ctx, uint64_t arg)
{
	struct arrival *a = ctx;

	(void)arg;
	if (a->producer->dead)
		return;
	put(&a->producer->reports, a->entry);
	coro_wake(a->producer->proc, a->producer);
}

static void acknowledge(struct kmd_producer *p, struct fifo *f, struct pending *e)
{
	struct arrival *a = sim_alloc(sizeof(*a));
	int64_t at_ns = sim->now_ns + sim_between(SIM_MS, 40 * SIM_MS);

	if (sim_chance(10)) {
		at_ns += sim_between(0, 2 * SIM_S);
		sim_happened(SIM_HAPPENED_delay);
	}
	if (at_ns < f->acked_ns)
		at_ns = f->acked_ns;
	f->acked_ns = at_ns + 1;
	*a = (struct arrival){p, e};
	sim_after(at_ns - sim->now_ns, on_ack, a, 0);
}

/* What a crash leaves of a producer is what was on the wire: one more batch of a partition may still arrive. */
static void on_wire(void *ctx, uint64_t place)
{
	struct kmd_producer *p = ctx;
	struct fifo *f = &p->fifos[place / BROKER_PARTITIONS_MAX][place % BROKER_PARTITIONS_MAX];
	uint64_t n = 1 + sim_below(20);

	f->under_way = false;
	if (!broker_is_up() && !p->dead) {
		f->under_way = true;
		sim_after(sim->broker->down_until_ns - sim->now_ns + sim_between(0, 500 * SIM_MS), on_wire, p, place);
		return;
	}
	if (p->dead && (!broker_is_up() || sim_chance(500)))
		return;
	for (; n > 0 && f->head; n--) {
		struct pending *e = take(f);

		if (e->rc == 0)
			broker_append(e->record);
		e->arrived = true;
		if (e->older && !e->older->arrived)
			sim_happened(SIM_HAPPENED_reorder);
		acknowledge(p, f, e);
	}
	if (f->head && !p->dead) {
		f->under_way = true;
		sim_after(sim_between(0, 5 * SIM_MS), on_wire, p, place);
	}
}

/* Frames only: what becomes of a refused record of the enricher is told by its own tests. */
static bool is_refused(enum kmd_topic t)
{
	return t <= KMD_TOPIC_OTHER && sim->mode == SIM_INGEST && sim_strikes(SIM_FAULT_refuse);
}

int kmd_producer_send(struct kmd_producer *p, enum kmd_topic topic, struct kmd_str key, struct kmd_str value,
    const struct kmd_header *headers, size_t headers_count, int64_t timestamp_ms, uint64_t ref)
{
	const size_t bytes = key.n + value.n + 100;
	struct pending *e;
	struct fifo *f;
	uint64_t place;

	proc_point();
	if (p->outstanding > 0 && p->bytes + bytes > p->bytes_max)
		return KMD_EAGAIN;
	e = sim_alloc(sizeof(*e));
	*e = (struct pending){.ref = ref, .bytes = bytes};
	e->record = broker_record_new(topic, key, value, headers, headers_count, timestamp_ms);
	if (is_refused(topic))
		e->rc = KMD_EREFUSED;
	place = (uint64_t)topic * BROKER_PARTITIONS_MAX + (uint64_t)e->record->partition;
	f = &p->fifos[topic][e->record->partition];
	put(f, e);
	e->older = p->last;
	*(p->last ? &p->last->newer : &p->first) = e;
	p->last = e;
	p->outstanding++;
	p->bytes += bytes;
	if (!f->under_way)
		sim_after(sim_between(SIM_MS, FIRST_WIRE_NS), on_wire, p, place);
	f->under_way = true;
	return 0;
}

static void forget(struct kmd_producer *p, struct pending *e)
{
	*(e->older ? &e->older->newer : &p->first) = e->newer;
	*(e->newer ? &e->newer->older : &p->last) = e->older;
}

static int serve(struct kmd_producer *p)
{
	int n = 0;

	for (; p->reports.head; n++) {
		struct pending *e = take(&p->reports);
		const struct kmd_delivery d = {
		    .ref = e->ref,
		    .topic = e->record->topic,
		    .rc = e->rc,
		    .reason = e->rc ? "refused by the simulation" : NULL,
		    .value = e->record->value,
		    .key = e->rc ? e->record->key : KMD_STR_NONE,
		    .headers = e->rc ? e->record->headers : NULL,
		    .headers_count = e->rc ? e->record->headers_count : 0,
		};

		forget(p, e);
		p->outstanding--;
		p->bytes -= e->bytes;
		p->fn(p->ctx, &d);
	}
	return n;
}

int kmd_producer_poll(struct kmd_producer *p, int timeout_ms)
{
	proc_point();
	if (!p->reports.head && timeout_ms > 0)
		coro_sleep(sim->now_ns + timeout_ms * SIM_MS * (int64_t)(1 + sim_below(8)), p);
	return serve(p);
}

bool kmd_producer_flush(struct kmd_producer *p, int timeout_ms)
{
	const int64_t until_ns = sim->now_ns + timeout_ms * SIM_MS;

	proc_point();
	for (serve(p); p->outstanding > 0 && sim->now_ns < until_ns; serve(p))
		coro_sleep(until_ns, p);
	return p->outstanding == 0;
}

uint64_t kmd_producer_outstanding(const struct kmd_producer *p, uint64_t *ret_bytes)
{
	if (ret_bytes)
		*ret_bytes = p->bytes;
	return p->outstanding;
}

void kmd_producer_each(struct kmd_producer *p, kmd_outstanding_fn fn, void *ctx)
{
	for (struct pending *e = p->first; e; e = e->newer) {
		const struct kmd_outstanding o = {
		    .topic = e->record->topic,
		    .key = e->record->key,
		    .value = e->record->value,
		    .headers = e->record->headers,
		    .headers_count = e->record->headers_count,
		    .timestamp_ms = e->record->timestamp_ms,
		};

		fn(ctx, &o, &e->ref);
	}
}

int kmd_producer_fd(const struct kmd_producer *p)
{
	(void)p;
	return -1;
}

bool kmd_producer_fatal(const struct kmd_producer *p, const char **ret_why)
{
	(void)p;
	(void)ret_why;
	return false;
}

bool kmd_producer_connected(const struct kmd_producer *p, const char **ret_why)
{
	(void)p;
	if (ret_why)
		*ret_why = "away";
	return broker_is_up();
}
