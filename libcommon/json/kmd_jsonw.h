#ifndef KMD_JSONW_H
#define KMD_JSONW_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_str.h"

/*
 * Writing JSON objects of ours (feed, settlement, market, event, series records, HTTP bodies), by cJSON. Off the hot
 * path. Members come out in the order they were added; an absent text (p == NULL) becomes null. Numbers are written
 * digit by digit, never through a double.
 */

struct kmd_jsonw; /* an object or array under construction */

struct kmd_jsonw *kmd_jsonw_object(void);
struct kmd_jsonw *kmd_jsonw_array(void);
/** Not for values that were handed to kmd_jsonw_put/push: those belong to their parent. NULL is fine. */
void kmd_jsonw_free(struct kmd_jsonw *w);

void kmd_jsonw_str(struct kmd_jsonw *obj, const char *name, struct kmd_str value);
void kmd_jsonw_strz(struct kmd_jsonw *obj, const char *name, const char *value);
void kmd_jsonw_i64(struct kmd_jsonw *obj, const char *name, int64_t value);
void kmd_jsonw_bool(struct kmd_jsonw *obj, const char *name, bool value);
void kmd_jsonw_null(struct kmd_jsonw *obj, const char *name);
/** RFC 3339 UTC with ns. */
void kmd_jsonw_time(struct kmd_jsonw *obj, const char *name, int64_t unix_ns);
/** @json is put in byte for byte; it must be valid JSON (a raw span of a parsed document). Absent becomes null. */
void kmd_jsonw_raw(struct kmd_jsonw *obj, const char *name, struct kmd_str json);
/** @child is taken. */
void kmd_jsonw_put(struct kmd_jsonw *obj, const char *name, struct kmd_jsonw *child);
void kmd_jsonw_push(struct kmd_jsonw *array, struct kmd_jsonw *child);
void kmd_jsonw_push_str(struct kmd_jsonw *array, struct kmd_str value);

/** Appends the compact text. */
void kmd_jsonw_print(const struct kmd_jsonw *w, struct kmd_buf *out);

#endif
