#ifndef KMD_METRICS_H
#define KMD_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "kmd_str.h"

/*
 * Metrics in Prometheus text form. Series are registered before threads start, so counters exist at 0 from the start
 * and label sets are bounded; values are atomics that any thread may change.
 */

struct kmd_metrics; /* the registry */
struct kmd_counter; /* never goes down */
struct kmd_gauge;
struct kmd_histogram;

struct kmd_metrics *kmd_metrics_new(void);
void kmd_metrics_free(struct kmd_metrics *m);

/**
 * Registers one series. The same @name may come again with other @labels (and the same help). @labels like
 * `type="trade"`, NULL for none; copied; values already escaped, see kmd_metrics_label(). The same name and labels
 * again give the series that is there. Owned by the registry.
 */
struct kmd_counter *kmd_metrics_counter(struct kmd_metrics *m, const char *name, const char *labels, const char *help);
struct kmd_gauge *kmd_metrics_gauge(struct kmd_metrics *m, const char *name, const char *labels, const char *help);
/** @bounds ascending upper bounds in the metric's unit, copied; +Inf is added. */
struct kmd_histogram *kmd_metrics_histogram(struct kmd_metrics *m, const char *name, const char *labels,
    const char *help, const double *bounds, size_t bounds_count);
/** Appends name="value" with the value escaped, behind a comma where @labels holds some already. NUL-terminate it
 * before use. */
void kmd_metrics_label(struct kmd_buf *labels, const char *name, struct kmd_str value);
/* Bounds for latencies in seconds, 100 us to 60 s. */
extern const double kmd_latency_bounds[];
extern const size_t kmd_latency_bounds_count;

void kmd_counter_add(struct kmd_counter *c, uint64_t n);
uint64_t kmd_counter_value(const struct kmd_counter *c);
void kmd_gauge_set(struct kmd_gauge *g, double v);
double kmd_gauge_value(const struct kmd_gauge *g);
void kmd_histogram_observe(struct kmd_histogram *h, double v);
/** @n observations of the same value at once. */
void kmd_histogram_observe_n(struct kmd_histogram *h, double v, uint64_t n);

/** Appends the exposition of all series, HELP and TYPE once a name. Any thread. */
void kmd_metrics_render(struct kmd_metrics *m, struct kmd_buf *out);

#endif
