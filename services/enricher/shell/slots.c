#include <stdlib.h>

#include "astray.h"
#include "enricher_int.h"
#include "kmd_mem.h"

/* Partitions of lifecycle and feed: what came from them, what is done, what is committed. */

#define WATERMARKS_MS 500

static struct enrich_slot *find(const struct enricher *e, enum kmd_topic topic, int32_t partition)
{
	for (size_t i = 0; i < e->slots_count; i++)
		if (e->slots[i].topic == topic && e->slots[i].partition == partition)
			return &e->slots[i];
	return NULL;
}

uint32_t enrich_slot_of(const struct enricher *e, enum kmd_topic topic, int32_t partition)
{
	const struct enrich_slot *s = find(e, topic, partition);

	return s && s->live ? (uint32_t)(s - e->slots) : UINT32_MAX;
}

static struct enrich_slot *make(struct enricher *e, const struct kmd_tp *tp)
{
	struct enrich_slot *s = find(e, tp->topic, tp->partition);

	if (s)
		return s;
	e->slots = kmd_realloc(e->slots, (e->slots_count + 1) * sizeof(*e->slots));
	s = &e->slots[e->slots_count++];
	*s = (struct enrich_slot){.topic = tp->topic, .partition = tp->partition};
	return s;
}

static bool is_lead(enum kmd_topic topic, int32_t partition)
{
	return topic == KMD_TOPIC_FEED && partition == 0;
}

/* Nothing of it is begun: what comes next may stand at any offset. */
static void begin_anew(struct enrich_slot *s, int64_t committed)
{
	if (s->begun)
		kmd_offsets_fini(&s->offsets);
	s->begun = s->astray = false;
	s->generation++;
	s->committed = committed;
}

static int on_assigned(void *ctx, struct kmd_tp *tps, size_t n)
{
	struct enricher *e = ctx;

	for (size_t i = 0; i < n; i++) {
		struct enrich_slot *s = make(e, &tps[i]);

		if (tps[i].offset < 0)
			tps[i].offset = KMD_OFFSET_BEGINNING;
		s->live = true;
		begin_anew(s, tps[i].offset);
		if (is_lead(s->topic, s->partition)) {
			e->leads = true;
			enrich_walk_lead(e);
		}
	}
	e->flow_stale = true;
	kmd_log(KMD_LOG_INFO, "assigned", "partitions", "%zu", n, "leads", "%d", e->leads, NULL);
	return 0;
}

static void release(struct enricher *e, const struct kmd_tp *tp)
{
	struct enrich_slot *s = find(e, tp->topic, tp->partition);
	uint32_t slot;

	if (!s || !s->live)
		return;
	slot = (uint32_t)(s - e->slots);
	if (is_lead(s->topic, s->partition)) {
		e->leads = false;
		enrich_walk_stop(e);
		enrich_repairs_stop(e);
		enrich_windows_reset(&e->windows, &e->book);
	}
	enrich_sched_purge(&e->sched, &e->book, slot);
	enrich_batches_purge(e, slot);
	s->live = false;
	enrich_slots_settle(e);
	begin_anew(s, 0);
}

static void on_revoked(void *ctx, const struct kmd_tp *tps, size_t n, bool lost)
{
	struct enricher *e = ctx;

	kmd_producer_poll(e->producer, 0);
	enrich_slots_settle(e);
	if (!lost)
		enrich_slots_commit(e, true);
	for (size_t i = 0; i < n; i++)
		release(e, &tps[i]);
	kmd_log(KMD_LOG_INFO, "revoked", "partitions", "%zu", n, "lost", "%d", lost, NULL);
}

/*
 * What was asked for by frames of a topic that begins again (or goes back) is still worked for, but moves no offset of
 * it: its frames are met again. False: not known yet.
 */
static bool find_again(struct enricher *e, struct enrich_slot *s)
{
	static const char *const names[] = {
	    [ENRICH_ASTRAY_EXPIRED] = "records_expired",
	    [ENRICH_ASTRAY_FOUND] = "position_found",
	    [ENRICH_ASTRAY_SHORTENED] = "topic_shortened",
	    [ENRICH_ASTRAY_RECREATED] = "topic_recreated",
	};
	struct kmd_tp tp = {s->topic, s->partition, s->position};
	int64_t undone = s->begun ? kmd_offsets_next(&s->offsets) : s->position;
	int64_t low, high;
	enum enrich_astray what;

	if (kmd_consumer_watermarks(e->group, &tp, WATERMARKS_MS, &low, &high, NULL) < 0)
		return false;
	what = enrich_astray_judge(s->position, undone, low, high, &tp.offset);
	if (kmd_consumer_seek(e->group, &tp, NULL) < 0)
		return false;
	kmd_log(KMD_LOG_WARN, names[what], "topic", "%s", kmd_topic_name(s->topic), "partition", "%d",
	    (int)s->partition, "position", "%lld", (long long)s->position, "low", "%lld", (long long)low, "high",
	    "%lld", (long long)high, "from", "%lld", (long long)tp.offset, NULL);
	s->astray = false;
	e->flow_stale = true; /* to seek may have meant to assign anew, which pauses nothing */
	if (what == ENRICH_ASTRAY_SHORTENED || what == ENRICH_ASTRAY_RECREATED)
		begin_anew(s, KMD_OFFSET_BEGINNING);
	return true;
}

static void on_out_of_range(void *ctx, const struct kmd_tp *tp)
{
	struct enricher *e = ctx;
	struct enrich_slot *s = find(e, tp->topic, tp->partition);

	if (!s || !s->live)
		return;
	s->astray = true;
	s->position = tp->offset;
}

const struct kmd_rebalance_ops enrich_rebalance = {
    .assigned = on_assigned,
    .revoked = on_revoked,
    .out_of_range = on_out_of_range,
};

void enrich_slots_find_astray(struct enricher *e)
{
	bool answered = true;

	for (size_t i = 0; i < e->slots_count && answered; i++)
		if (e->slots[i].live && e->slots[i].astray)
			answered = find_again(e, &e->slots[i]);
}

void enrich_slots_settle(struct enricher *e)
{
	struct enrich_cause *c;

	while ((c = enrich_cause_take_done(&e->book))) {
		struct enrich_slot *s = &e->slots[c->slot];

		if (s->live && s->begun && s->generation == c->generation)
			kmd_offsets_done(&s->offsets, c->offset);
		enrich_cause_free(&e->book, c);
	}
}

static void mark_committed(struct enricher *e, const struct kmd_tp *tps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		find(e, tps[i].topic, tps[i].partition)->committed = tps[i].offset;
}

/* In the background a commit may fail unheard, so the last one (@sync) tells everything again. */
void enrich_slots_commit(struct enricher *e, bool sync)
{
	struct kmd_tp *tps = kmd_calloc(e->slots_count + 1, sizeof(*tps));
	struct kmd_err err = {""};
	uint64_t suppressed;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < e->slots_count; i++) {
		const struct enrich_slot *s = &e->slots[i];
		int64_t next = s->live && s->begun ? kmd_offsets_next(&s->offsets) : INT64_MIN;

		if (next > s->committed || (sync && next == s->committed))
			tps[n++] = (struct kmd_tp){s->topic, s->partition, next};
	}
	rc = n > 0 && e->group ? kmd_consumer_commit(e->group, tps, n, sync, &err) : 0;
	if (rc == 0)
		mark_committed(e, tps, n);
	else if (sync && kmd_burst_pass(&e->burst_commit, e->mono.ns, &suppressed)) /* others are repeated */
		kmd_log(KMD_LOG_WARN, "commit_failed", "why", "%s", err.text, "suppressed", "%llu",
		    (unsigned long long)suppressed, NULL);
	free(tps);
}

/* All partitions of lifecycle at once: feed is never paused, it is small and others wait for what it tells. */
static void set_flow(struct enricher *e, bool pause)
{
	struct kmd_tp *tps = kmd_calloc(e->slots_count + 1, sizeof(*tps));
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < e->slots_count; i++)
		if (e->slots[i].live && e->slots[i].topic == KMD_TOPIC_LIFECYCLE)
			tps[n++] = (struct kmd_tp){KMD_TOPIC_LIFECYCLE, e->slots[i].partition, 0};
	rc = pause ? kmd_consumer_pause(e->group, tps, n) : kmd_consumer_resume(e->group, tps, n);
	if (rc == 0) {
		e->paused = pause;
		e->flow_stale = false;
		kmd_log(KMD_LOG_INFO, pause ? "intake_paused" : "intake_resumed", "open", "%zu", e->book.open, NULL);
	}
	free(tps);
}

void enrich_slots_pace(struct enricher *e)
{
	bool full = e->book.open >= ENRICH_OPEN_MAX || e->book.bytes >= ENRICH_OPEN_BYTES_MAX;
	bool low = e->book.open < ENRICH_OPEN_MAX / 2 && e->book.bytes < ENRICH_OPEN_BYTES_MAX / 2;

	if (low && e->paused)
		set_flow(e, false);
	else if ((full && !e->paused) || (e->paused && e->flow_stale))
		set_flow(e, true);
}

void enrich_slots_fini(struct enricher *e)
{
	for (size_t i = 0; i < e->slots_count; i++)
		if (e->slots[i].begun)
			kmd_offsets_fini(&e->slots[i].offsets);
	free(e->slots);
}
