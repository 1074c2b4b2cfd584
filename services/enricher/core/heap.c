#include "heap.h"

#include <assert.h>

#include "kmd_mem.h"

static bool before(const struct enrich_job *a, const struct enrich_job *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void set(struct enrich_heap *h, size_t at, struct enrich_job *job)
{
	h->p[at] = job;
	job->at = at;
}

static void sift_up(struct enrich_heap *h, size_t at, struct enrich_job *job)
{
	for (; at > 0 && before(job, h->p[(at - 1) / 2]); at = (at - 1) / 2)
		set(h, at, h->p[(at - 1) / 2]);
	set(h, at, job);
}

static void sift_down(struct enrich_heap *h, size_t at, struct enrich_job *job)
{
	for (size_t child; (child = 2 * at + 1) < h->count; at = child) {
		if (child + 1 < h->count && before(h->p[child + 1], h->p[child]))
			child++;
		if (!before(h->p[child], job))
			break;
		set(h, at, h->p[child]);
	}
	set(h, at, job);
}

void enrich_heap_list(struct enrich_heap *h, struct enrich_job *job)
{
	if (h->count == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 16;
		h->p = kmd_realloc(h->p, h->cap * sizeof(struct enrich_job *));
	}
	h->p[h->count++] = job;
}

void enrich_heap_push(struct enrich_heap *h, struct enrich_job *job)
{
	enrich_heap_list(h, job);
	sift_up(h, h->count - 1, job);
}

void enrich_heap_remove(struct enrich_heap *h, struct enrich_job *job)
{
	size_t at = job->at;
	struct enrich_job *last = h->p[--h->count];

	assert(h->p[at] == job || last == job);
	if (last == job)
		return;
	if (at > 0 && before(last, h->p[(at - 1) / 2]))
		sift_up(h, at, last);
	else
		sift_down(h, at, last);
}

struct enrich_job *enrich_heap_first(const struct enrich_heap *h)
{
	return h->count ? h->p[0] : NULL;
}
