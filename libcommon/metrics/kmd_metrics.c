#include "kmd_metrics.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"

const double kmd_latency_bounds[] = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
const size_t kmd_latency_bounds_count = sizeof(kmd_latency_bounds) / sizeof(*kmd_latency_bounds);

struct kmd_counter {
	_Atomic uint64_t n;
};

/* Doubles as their bits, so that every platform has them as lock-free atomics. */
struct kmd_gauge {
	_Atomic uint64_t bits;
};

struct kmd_histogram {
	double *bounds;
	size_t bounds_count;
	_Atomic uint64_t *counts; /* per bucket, not cumulative; the last is +Inf */
	_Atomic uint64_t sum_bits;
};

enum series_type { SERIES_COUNTER, SERIES_GAUGE, SERIES_HISTOGRAM };

struct series {
	enum series_type type;
	char *name, *labels, *help; /* labels "" for none */
	union {
		struct kmd_counter counter;
		struct kmd_gauge gauge;
		struct kmd_histogram histogram;
	};
	struct series *next;
};

struct kmd_metrics {
	struct series *first, *last;
};

static uint64_t bits_of(double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

static double of_bits(uint64_t bits)
{
	double v;
	memcpy(&v, &bits, sizeof(v));
	return v;
}

struct kmd_metrics *kmd_metrics_new(void)
{
	return kmd_calloc(1, sizeof(struct kmd_metrics));
}

static void series_free(struct series *s)
{
	if (s->type == SERIES_HISTOGRAM) {
		free(s->histogram.bounds);
		free((void *)s->histogram.counts);
	}
	free(s->name);
	free(s->labels);
	free(s->help);
	free(s);
}

void kmd_metrics_free(struct kmd_metrics *m)
{
	if (!m)
		return;
	for (struct series *s = m->first, *next; s; s = next) {
		next = s->next;
		series_free(s);
	}
	free(m);
}

static struct series *find(struct kmd_metrics *m, const char *name, const char *labels)
{
	for (struct series *s = m->first; s; s = s->next)
		if (strcmp(s->name, name) == 0 && strcmp(s->labels, labels) == 0)
			return s;
	return NULL;
}

/* Behind the last series of its name, because they share one HELP and TYPE; else at the end. */
static void insert(struct kmd_metrics *m, struct series *s)
{
	struct series *before = m->last;

	for (struct series *o = m->first; o; o = o->next)
		if (strcmp(o->name, s->name) == 0)
			before = o;
	s->next = before ? before->next : NULL;
	if (before)
		before->next = s;
	else
		m->first = s;
	if (before == m->last)
		m->last = s;
}

/* The series, new (histograms: without buckets yet) or the one that is there. */
static struct series *register_series(
    struct kmd_metrics *m, enum series_type type, const char *name, const char *labels, const char *help)
{
	labels = labels ? labels : "";
	struct series *s = find(m, name, labels);
	if (s) {
		assert(s->type == type);
		return s;
	}
	s = kmd_calloc(1, sizeof(*s));
	s->type = type;
	s->name = kmd_strndup(name, strlen(name));
	s->labels = kmd_strndup(labels, strlen(labels));
	s->help = kmd_strndup(help, strlen(help));
	insert(m, s);
	return s;
}

struct kmd_counter *kmd_metrics_counter(struct kmd_metrics *m, const char *name, const char *labels, const char *help)
{
	return &register_series(m, SERIES_COUNTER, name, labels, help)->counter;
}

struct kmd_gauge *kmd_metrics_gauge(struct kmd_metrics *m, const char *name, const char *labels, const char *help)
{
	return &register_series(m, SERIES_GAUGE, name, labels, help)->gauge;
}

struct kmd_histogram *kmd_metrics_histogram(struct kmd_metrics *m, const char *name, const char *labels,
    const char *help, const double *bounds, size_t bounds_count)
{
	struct kmd_histogram *h = &register_series(m, SERIES_HISTOGRAM, name, labels, help)->histogram;
	if (h->counts)
		return h;
	h->bounds = kmd_calloc(bounds_count, sizeof(*h->bounds));
	memcpy(h->bounds, bounds, bounds_count * sizeof(*bounds));
	h->bounds_count = bounds_count;
	h->counts = kmd_calloc(bounds_count + 1, sizeof(*h->counts));
	return h;
}

void kmd_counter_add(struct kmd_counter *c, uint64_t n)
{
	atomic_fetch_add_explicit(&c->n, n, memory_order_relaxed);
}

uint64_t kmd_counter_value(const struct kmd_counter *c)
{
	return atomic_load_explicit(&c->n, memory_order_relaxed);
}

void kmd_gauge_set(struct kmd_gauge *g, double v)
{
	atomic_store_explicit(&g->bits, bits_of(v), memory_order_relaxed);
}

double kmd_gauge_value(const struct kmd_gauge *g)
{
	return of_bits(atomic_load_explicit(&g->bits, memory_order_relaxed));
}

void kmd_histogram_observe(struct kmd_histogram *h, double v)
{
	kmd_histogram_observe_n(h, v, 1);
}

void kmd_histogram_observe_n(struct kmd_histogram *h, double v, uint64_t n)
{
	size_t bucket = 0;
	if (isnan(v)) /* would stay in the sum for ever */
		return;
	while (bucket < h->bounds_count && v > h->bounds[bucket])
		bucket++;
	atomic_fetch_add_explicit(&h->counts[bucket], n, memory_order_relaxed);
	uint64_t sum = atomic_load_explicit(&h->sum_bits, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
	    &h->sum_bits, &sum, bits_of(of_bits(sum) + v * (double)n), memory_order_relaxed, memory_order_relaxed))
		;
}

void kmd_metrics_label(struct kmd_buf *labels, const char *name, struct kmd_str value)
{
	if (labels->n)
		kmd_buf_addc(labels, ',');
	kmd_buf_addz(labels, name);
	kmd_buf_addz(labels, "=\"");
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\n')
			kmd_buf_addz(labels, "\\n");
		else if (value.p[i] == '"' || value.p[i] == '\\')
			kmd_buf_addf(labels, "\\%c", value.p[i]);
		else
			kmd_buf_addc(labels, value.p[i]);
	}
	kmd_buf_addc(labels, '"');
}

/* The fewest digits that read back as the same double. */
static void add_double(struct kmd_buf *out, double v)
{
	char text[40];
	if (isnan(v) || isinf(v)) {
		kmd_buf_addz(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	kmd_buf_addz(out, text);
}

static void add_head(struct kmd_buf *out, const struct series *s)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	kmd_buf_addf(out, "# HELP %s ", s->name);
	for (const char *z = s->help; *z; z++) {
		if (*z == '\n')
			kmd_buf_addz(out, "\\n");
		else if (*z == '\\')
			kmd_buf_addz(out, "\\\\");
		else
			kmd_buf_addc(out, *z);
	}
	kmd_buf_addf(out, "\n# TYPE %s %s\n", s->name, types[s->type]);
}

/* name + suffix, then the labels, where there are some, and a space */
static void add_name(struct kmd_buf *out, const struct series *s, const char *suffix)
{
	kmd_buf_addf(out, "%s%s", s->name, suffix);
	if (s->labels[0])
		kmd_buf_addf(out, "{%s}", s->labels);
	kmd_buf_addc(out, ' ');
}

static void add_bucket(struct kmd_buf *out, const struct series *s, double bound, uint64_t cumulative)
{
	kmd_buf_addf(out, "%s_bucket{%s%sle=\"", s->name, s->labels, s->labels[0] ? "," : "");
	add_double(out, bound);
	kmd_buf_addz(out, "\"} ");
	kmd_buf_add_u64(out, cumulative);
	kmd_buf_addc(out, '\n');
}

static void add_histogram(struct kmd_buf *out, const struct series *s)
{
	const struct kmd_histogram *h = &s->histogram;
	uint64_t cumulative = 0; /* _count is this sum too: it must equal the +Inf bucket */
	for (size_t i = 0; i <= h->bounds_count; i++) {
		cumulative += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
		add_bucket(out, s, i < h->bounds_count ? h->bounds[i] : (double)INFINITY, cumulative);
	}
	add_name(out, s, "_sum");
	add_double(out, of_bits(atomic_load_explicit(&h->sum_bits, memory_order_relaxed)));
	kmd_buf_addc(out, '\n');
	add_name(out, s, "_count");
	kmd_buf_add_u64(out, cumulative);
	kmd_buf_addc(out, '\n');
}

static void add_series(struct kmd_buf *out, const struct series *s)
{
	if (s->type == SERIES_HISTOGRAM) {
		add_histogram(out, s);
		return;
	}
	add_name(out, s, "");
	if (s->type == SERIES_COUNTER)
		kmd_buf_add_u64(out, kmd_counter_value(&s->counter));
	else
		add_double(out, kmd_gauge_value(&s->gauge));
	kmd_buf_addc(out, '\n');
}

void kmd_metrics_render(struct kmd_metrics *m, struct kmd_buf *out)
{
	const char *name = "";
	for (const struct series *s = m->first; s; s = s->next) {
		if (strcmp(name, s->name) != 0)
			add_head(out, s);
		name = s->name;
		add_series(out, s);
	}
}
