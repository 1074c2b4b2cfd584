#include "sink_revise.h"

#include "kmd_num.h"

static struct kmd_str text_of(const struct sink_row *row, int column)
{
	return row->v[column].has ? row->v[column].str : KMD_STR_NONE;
}

struct sink_settled sink_settled_of(const struct sink_row *row, int32_t revisions)
{
	return (struct sink_settled){
	    .revisions = revisions,
	    .status = text_of(row, SINK_REVISIONS_status),
	    .result = text_of(row, SINK_REVISIONS_result),
	    .settlement_value = text_of(row, SINK_REVISIONS_settlement_value),
	    .expiration_value = text_of(row, SINK_REVISIONS_expiration_value),
	    .determined_at = row->v[SINK_REVISIONS_determined_at],
	    .settled_at = row->v[SINK_REVISIONS_settled_at],
	    .known_at = row->v[SINK_REVISIONS_known_at],
	};
}

static bool same_text(struct kmd_str a, struct kmd_str b)
{
	return (a.p != NULL) == (b.p != NULL) && kmd_str_eq(a, b);
}

static bool same_decimal(struct kmd_str a, struct kmd_str b)
{
	struct kmd_dec da, db;

	if (!a.p || !b.p)
		return a.p == b.p;
	return kmd_dec_parse(a, &da) == 0 && kmd_dec_parse(b, &db) == 0 && kmd_dec_cmp(&da, &db) == 0;
}

static bool same_time(const struct sink_value *a, const struct sink_value *b)
{
	return a->has == b->has && (!a->has || a->num == b->num);
}

enum sink_revision sink_revise(const struct sink_settled *known, const struct sink_row *row)
{
	const struct sink_settled new = sink_settled_of(row, 0);

	if (known->revisions == 0)
		return SINK_REVISION_LATEST;
	if (same_text(known->status, new.status) && same_text(known->result, new.result) &&
	    same_decimal(known->settlement_value, new.settlement_value) &&
	    same_text(known->expiration_value, new.expiration_value) &&
	    same_time(&known->determined_at, &new.determined_at) && same_time(&known->settled_at, &new.settled_at))
		return SINK_REVISION_SAME;
	return new.known_at.num < known->known_at.num ? SINK_REVISION_LATE : SINK_REVISION_LATEST;
}
