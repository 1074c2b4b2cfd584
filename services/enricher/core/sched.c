#include "sched.h"

#include <assert.h>
#include <stdlib.h>

#include "heap.h"
#include "kmd_mem.h"

/* Key of the map: kind, then ticker. Borrowed until the next call. */
static struct kmd_str map_key(struct enrich_sched *s, enum enrich_kind kind, struct kmd_str key)
{
	kmd_buf_reset(&s->scratch);
	kmd_buf_addc(&s->scratch, (char)('a' + (int)kind));
	kmd_buf_add_str(&s->scratch, key);
	return kmd_buf_str(&s->scratch);
}

void enrich_sched_init(struct enrich_sched *s, double rate, unsigned max_in_flight, uint64_t seed)
{
	*s = (struct enrich_sched){
	    .interval_ns = (int64_t)((double)(ENRICH_RATE_SPAN_NS + ENRICH_RATE_SLACK_NS) / rate),
	    .max_in_flight = max_in_flight,
	    .pause = {.base_ns = KMD_NS_PER_S},
	    .rng = seed,
	};
}

static void free_job(struct enrich_job *job)
{
	enrich_causes_fini(&job->causes);
	kmd_buf_fini(&job->body);
	kmd_buf_fini(&job->awaits);
	free((void *)(uintptr_t)job->key.p);
	free(job);
}

void enrich_sched_fini(struct enrich_sched *s)
{
	struct kmd_str key;
	void *value;

	for (size_t it = 0; kmd_map_next(&s->jobs, &it, &key, &value);)
		free_job(value);
	kmd_map_fini(&s->jobs);
	for (int lane = 0; lane < ENRICH_LANE_COUNT; lane++)
		free(s->lanes[lane].p);
	free(s->parked.p);
	kmd_buf_fini(&s->scratch);
}

struct enrich_job *enrich_sched_find(struct enrich_sched *s, enum enrich_kind kind, struct kmd_str key)
{
	return kmd_map_get(&s->jobs, map_key(s, kind, key));
}

static void enqueue(struct enrich_sched *s, struct enrich_job *job, int64_t due_ns)
{
	job->state = ENRICH_QUEUED;
	job->due_ns = due_ns;
	job->order = s->order++;
	enrich_heap_push(&s->lanes[job->lane], job);
}

static struct enrich_job *make_job(
    struct enrich_sched *s, enum enrich_kind kind, struct kmd_str key, enum enrich_lane lane)
{
	struct enrich_job *job = kmd_calloc(1, sizeof(*job));

	job->kind = kind;
	job->lane = lane;
	job->key = (struct kmd_str){kmd_strndup(key.p, key.n), key.n};
	job->backoff = (struct kmd_backoff){.base_ns = ENRICH_RETRY_BASE_NS, .cap_ns = ENRICH_RETRY_CAP_NS};
	kmd_map_put(&s->jobs, map_key(s, kind, key), job);
	return job;
}

static void move_up(struct enrich_sched *s, struct enrich_job *job, enum enrich_lane lane, int64_t due_ns)
{
	bool queued = job->state == ENRICH_QUEUED;

	if (lane >= job->lane && (!queued || due_ns >= job->due_ns))
		return;
	if (queued)
		enrich_heap_remove(&s->lanes[job->lane], job);
	if (lane < job->lane)
		job->lane = lane;
	if (queued && due_ns < job->due_ns)
		job->due_ns = due_ns;
	if (queued)
		enrich_heap_push(&s->lanes[job->lane], job);
}

struct enrich_job *enrich_sched_want(
    struct enrich_sched *s, enum enrich_kind kind, struct kmd_str key, enum enrich_lane lane, struct kmd_mono due)
{
	struct enrich_job *job = enrich_sched_find(s, kind, key);

	if (job) {
		move_up(s, job, lane, due.ns);
		return job;
	}
	job = make_job(s, kind, key, lane);
	enqueue(s, job, due.ns);
	return job;
}

void enrich_job_add(struct enrich_job *job, struct enrich_cause *c)
{
	for (size_t i = job->covered; i < job->causes.count; i++)
		if (job->causes.p[i] == c)
			return;
	enrich_causes_add(&job->causes, c);
}

void enrich_job_take(struct enrich_job *job, unsigned mask, struct enrich_causes *to)
{
	size_t kept = 0, covered = 0;

	for (size_t i = 0; i < job->causes.count; i++) {
		struct enrich_cause *c = job->causes.p[i];

		if (i < job->covered && (c->what & mask) && !(c->what & ENRICH_BEHIND)) {
			enrich_causes_take(to, c);
			continue;
		}
		covered += i < job->covered;
		job->causes.p[kept++] = c;
	}
	job->causes.count = kept;
	job->covered = covered;
}

static bool may_start(const struct enrich_sched *s, struct kmd_mono now)
{
	return s->in_flight < s->max_in_flight && now.ns >= s->paused_until_ns && now.ns >= s->next_start_ns;
}

struct enrich_job *enrich_sched_next(struct enrich_sched *s, struct kmd_mono now)
{
	if (!may_start(s, now))
		return NULL;
	for (int lane = 0; lane < ENRICH_LANE_COUNT; lane++) {
		struct enrich_job *job = enrich_heap_first(&s->lanes[lane]);

		if (!job || job->due_ns > now.ns)
			continue;
		enrich_heap_remove(&s->lanes[lane], job);
		job->state = ENRICH_RUNNING;
		job->covered = job->causes.count;
		s->in_flight++;
		if (s->next_start_ns < now.ns - ENRICH_RATE_SLACK_NS)
			s->next_start_ns = now.ns - ENRICH_RATE_SLACK_NS;
		s->next_start_ns += s->interval_ns;
		return job;
	}
	return NULL;
}

void enrich_sched_unstart(struct enrich_sched *s)
{
	s->in_flight--;
	s->next_start_ns -= s->interval_ns;
}

void enrich_sched_answered(struct enrich_sched *s)
{
	assert(s->in_flight > 0);
	s->in_flight--;
}

int64_t enrich_sched_wait_ns(const struct enrich_sched *s, struct kmd_mono now, int64_t max_ns)
{
	int64_t due = INT64_MAX, gate = s->paused_until_ns > s->next_start_ns ? s->paused_until_ns : s->next_start_ns;
	const struct enrich_job *parked = enrich_heap_first(&s->parked);

	if (s->in_flight < s->max_in_flight)
		for (int lane = 0; lane < ENRICH_LANE_COUNT; lane++) {
			const struct enrich_job *job = enrich_heap_first(&s->lanes[lane]);

			if (job && job->due_ns < due)
				due = job->due_ns;
		}
	if (due < gate)
		due = gate;
	if (parked && parked->due_ns < due)
		due = parked->due_ns;
	if (due <= now.ns)
		return 0;
	return due - now.ns < max_ns ? due - now.ns : max_ns;
}

void enrich_sched_again(struct enrich_sched *s, struct enrich_job *job, struct kmd_mono due)
{
	assert(job->state != ENRICH_QUEUED);
	enqueue(s, job, due.ns);
}

void enrich_sched_retry(struct enrich_sched *s, struct enrich_job *job, struct kmd_mono now)
{
	int64_t delay = ENRICH_RETRY_FLOOR_NS + kmd_backoff_next(&job->backoff, &s->rng);

	enrich_sched_again(s, job, (struct kmd_mono){now.ns + delay});
}

void enrich_sched_absent(struct enrich_sched *s, struct enrich_job *job, struct kmd_mono now)
{
	int64_t delay = ENRICH_RETRY_BASE_NS;

	if (job->absences++ == 0)
		job->absent_since_ns = now.ns;
	for (unsigned k = 1; k < job->absences && delay < ENRICH_ABSENT_CAP_NS; k++)
		delay *= 2;
	if (delay > ENRICH_ABSENT_CAP_NS)
		delay = ENRICH_ABSENT_CAP_NS;
	/* half of it is jitter, so that a burst of new markets does not come back as one */
	delay = delay / 2 + (int64_t)(kmd_rng_next(&s->rng) % (uint64_t)(delay / 2));
	enrich_sched_again(s, job, (struct kmd_mono){now.ns + delay});
}

bool enrich_job_is_hopeless(const struct enrich_job *job, struct kmd_mono now)
{
	return job->absences >= ENRICH_ABSENT_GIVE_UP_TRIES &&
	       now.ns - job->absent_since_ns >= ENRICH_ABSENT_GIVE_UP_NS;
}

void enrich_sched_park(struct enrich_sched *s, struct enrich_job *job, struct kmd_str awaits, struct kmd_mono due)
{
	job->state = ENRICH_PARKED;
	job->due_ns = due.ns;
	job->order = s->order++;
	kmd_buf_reset(&job->awaits);
	kmd_buf_add_str(&job->awaits, awaits);
	enrich_heap_push(&s->parked, job);
}

struct enrich_job *enrich_sched_unpark(struct enrich_sched *s, struct kmd_str event)
{
	for (size_t i = 0; i < s->parked.count; i++) {
		struct enrich_job *job = s->parked.p[i];

		if (!kmd_str_eq(kmd_buf_str(&job->awaits), event))
			continue;
		enrich_heap_remove(&s->parked, job);
		return job;
	}
	return NULL;
}

struct enrich_job *enrich_sched_expired(struct enrich_sched *s, struct kmd_mono now)
{
	struct enrich_job *job = enrich_heap_first(&s->parked);

	if (!job || job->due_ns > now.ns)
		return NULL;
	enrich_heap_remove(&s->parked, job);
	return job;
}

void enrich_sched_end(struct enrich_sched *s, struct enrich_job *job)
{
	if (job->state == ENRICH_QUEUED)
		enrich_heap_remove(&s->lanes[job->lane], job);
	kmd_map_del(&s->jobs, map_key(s, job->kind, job->key));
	free_job(job);
}

void enrich_sched_pause(struct enrich_sched *s, struct kmd_mono now, int64_t floor_ns, int64_t cap_ns)
{
	if (now.ns < s->paused_until_ns)
		return;
	s->pause.cap_ns = cap_ns;
	s->paused_until_ns = now.ns + floor_ns + kmd_backoff_next(&s->pause, &s->rng);
}

void enrich_sched_unpause(struct enrich_sched *s)
{
	kmd_backoff_reset(&s->pause);
}

void enrich_sched_pause_end(struct enrich_sched *s)
{
	s->paused_until_ns = 0;
	enrich_sched_unpause(s);
}

void enrich_sched_purge(struct enrich_sched *s, struct enrich_book *b, uint32_t slot)
{
	struct enrich_heap gone = {0};
	struct kmd_str key;
	void *value;

	for (size_t it = 0; kmd_map_next(&s->jobs, &it, &key, &value);) {
		struct enrich_job *job = value;
		size_t had = job->causes.count;

		job->covered -= enrich_causes_purge(b, &job->causes, slot, job->covered);
		if (had > 0 && job->causes.count == 0 && job->state == ENRICH_QUEUED && job->kind <= ENRICH_JOB_SERIES)
			enrich_heap_list(&gone, job);
	}
	for (size_t i = 0; i < gone.count; i++)
		enrich_sched_end(s, gone.p[i]);
	free(gone.p);
}

size_t enrich_sched_pending(const struct enrich_sched *s)
{
	size_t n = s->parked.count;

	for (int lane = 0; lane < ENRICH_LANE_COUNT; lane++)
		n += s->lanes[lane].count;
	for (size_t i = 0; i < s->lanes[ENRICH_LANE_LIST].count; i++)
		n -= s->lanes[ENRICH_LANE_LIST].p[i]->kind == ENRICH_JOB_LIST;
	return n;
}
