#ifndef KMD_LOG_H
#define KMD_LOG_H

#include <stdint.h>

#include "kmd_err.h"

/*
 * One line an event on stderr, JSON off a terminal: time, level, service, event, then the fields. Shells log, once,
 * where the decision is made; cores and libcommon report. No secrets, no payloads. Thread-safe: one write(2) a line.
 */

enum kmd_log_level { KMD_LOG_DEBUG, KMD_LOG_INFO, KMD_LOG_WARN, KMD_LOG_ERROR };
enum kmd_log_format { KMD_LOG_AUTO, KMD_LOG_JSON, KMD_LOG_TEXT };

/** Before the first line and before threads. @service is kept, not copied. */
void kmd_log_init(const char *service, enum kmd_log_level level, enum kmd_log_format format);

/**
 * kmd_log(KMD_LOG_INFO, "connected", "url", "%s", url, "attempt", "%d", k, NULL);
 * @event  short snake_case word; then triples name, printf format, ONE argument; NULL ends.
 * Supported conversions: %s %d %u %ld %lu %lld %llu %zu %zd and PRId64/PRIu64; also %.*s with the two of
 * KMD_STR_ARG. No flags, widths or precisions. Text around the conversion is fine ("%d ms"). A lone integer conversion
 * becomes a JSON number, everything else a string; what is not UTF-8 becomes U+FFFD.
 */
void kmd_log(enum kmd_log_level level, const char *event, ...);

/*
 * A burst reporter for one call site: the first occurrence is logged, repeats within a minute are counted and told with
 * the next line ("suppressed": n). Usage: static struct kmd_burst b; if (kmd_burst_pass(&b, now, &n)) kmd_log(...).
 */
struct kmd_burst {
	int64_t last_ns;
	uint64_t suppressed;
};
int kmd_burst_pass(struct kmd_burst *b, int64_t mono_ns, uint64_t *ret_suppressed);

#endif
