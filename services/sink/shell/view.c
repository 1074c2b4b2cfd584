#include "view.h"

#include <stdlib.h>

#include "kmd_mem.h"

struct sink_record view_bare(const struct kmd_record *r)
{
	return (struct sink_record){
	    .topic = kmd_record_topic(r),
	    .partition = kmd_record_partition(r),
	    .offset = kmd_record_offset(r),
	    .timestamp_ms = kmd_record_timestamp_ms(r),
	    .key = kmd_record_key(r),
	    .value = kmd_record_value(r),
	};
}

struct sink_record view_of(const struct kmd_record *r, struct view_headers *h)
{
	struct sink_record view = view_bare(r);
	struct sink_header one;

	while (kmd_record_header_at(r, view.headers_count, &one.name, &one.value)) {
		if (view.headers_count == h->cap) {
			h->cap = h->cap ? h->cap * 2 : 16;
			h->of = kmd_realloc(h->of, h->cap * sizeof(*h->of));
		}
		h->of[view.headers_count++] = one;
	}
	view.headers = h->of;
	return view;
}

void view_fini(struct view_headers *h)
{
	free(h->of);
	*h = (struct view_headers){0};
}
