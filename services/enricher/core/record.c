#include "record.h"

#include "kmd_jsonw.h"

void enrich_record_encode(enum kmd_topic topic, const struct enrich_record *r, struct kmd_buf *out)
{
	struct kmd_jsonw *w = kmd_jsonw_object();

	kmd_jsonw_str(w, "ticker", r->ticker);
	if (topic == KMD_TOPIC_MARKETS)
		kmd_jsonw_str(w, "event_ticker", r->event_ticker);
	if (topic != KMD_TOPIC_SERIES)
		kmd_jsonw_str(w, "series_ticker", r->series_ticker);
	kmd_jsonw_time(w, "fetched_at", r->fetched_ns);
	kmd_jsonw_raw(w, "body", r->body);
	kmd_jsonw_print(w, out);
	kmd_jsonw_free(w);
}
