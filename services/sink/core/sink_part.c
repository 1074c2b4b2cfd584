#include "sink_part.h"

#include "kmd_time.h"

static void nothing_in_hand(struct sink_progress *p)
{
	p->tally = (struct sink_tally){0};
	p->last_recv_ns = INT64_MIN;
}

void sink_progress_begin(struct sink_progress *p, int64_t epoch, int64_t next)
{
	p->epoch = epoch;
	p->stored_next = p->next = next;
	nothing_in_hand(p);
}

bool sink_progress_wants(const struct sink_progress *p, int64_t offset)
{
	return offset >= p->next;
}

/* When it came: as it says itself, else as Kafka has it. One that says a time to come says nothing: it would stand for
 * ever as the time up to which all is there. */
static int64_t receipt_of(const struct sink_record *r, const struct sink_facts *f, int64_t latest_ns)
{
	if (f->recv_ns.has && f->recv_ns.v <= latest_ns)
		return f->recv_ns.v;
	if (r->timestamp_ms < 0 || r->timestamp_ms > latest_ns / KMD_NS_PER_MS)
		return INT64_MIN;
	return r->timestamp_ms * KMD_NS_PER_MS;
}

void sink_progress_take(
    struct sink_progress *p, const struct sink_record *r, const struct sink_facts *f, int64_t latest_ns)
{
	const int64_t receipt = receipt_of(r, f, latest_ns);

	p->next = r->offset + 1;
	p->last_timestamp_ms = r->timestamp_ms;
	p->last_key = r->key;
	p->last_value = r->value;
	if (receipt > p->last_recv_ns)
		p->last_recv_ns = receipt;
}

/* Made when it is asked for, once a batch: a hash of every record costs more than its row. */
int64_t sink_progress_last_hash(const struct sink_progress *p)
{
	return sink_record_hash(p->last_key, p->last_value);
}

bool sink_progress_pending(const struct sink_progress *p)
{
	return p->next != p->stored_next;
}

void sink_progress_commit(struct sink_progress *p)
{
	p->stored_next = p->next;
	sink_lineages_commit(&p->lineages);
	nothing_in_hand(p);
}

void sink_progress_rollback(struct sink_progress *p)
{
	p->next = p->stored_next;
	sink_lineages_rollback(&p->lineages);
	nothing_in_hand(p);
}

void sink_progress_fini(struct sink_progress *p)
{
	sink_lineages_fini(&p->lineages);
}
