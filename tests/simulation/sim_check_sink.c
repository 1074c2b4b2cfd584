#include <string.h>

#include "kmd_json.h"
#include "kmd_map.h"
#include "kmd_settlement.h"
#include "kmd_trade.h"
#include "sim_check.h"
#include "sim_proc.h"

/*
 * A model of the sink that reads the broker's log in order, beside the sink. At each commit that moves an offset, every
 * record in between must be accounted for in that very transaction: a row, a dead letter, or rightly nothing.
 */

enum fate { FATE_ROW, FATE_DEAD, FATE_DUPLICATE };

struct model_lineage {
	struct model_lineage *next;
	int64_t lineage, last_n;
};

struct model_part {
	int64_t next, rows, dead, duplicates, epoch;
	struct model_lineage *lineages;
	size_t seen; /* rows of db_offset.in that were looked at */
};

/* A settlement or listing as it should stand in the end. */
struct model_key {
	struct model_key *next;
	enum kmd_topic topic;
	struct kmd_str key;
	const struct broker_record *latest;
	int64_t revisions;
};

struct model {
	struct model_part parts[KMD_TOPIC_COUNT][BROKER_PARTITIONS_MAX];
	struct model_key *keys;
	struct kmd_map trades;
	struct kmd_json doc, other;
	struct kmd_arena arena;
};

static struct model *model;

void check_sink_open(void)
{
	struct heap *former = heap_use(&sim->heap);

	model = sim_alloc(sizeof(*model));
	heap_use(former);
}

/* ---- the model ---- */

static bool is_repeated_frame(struct model_part *p, const struct broker_record *r)
{
	const int64_t lineage = broker_header_i64(r, "lineage"), n = broker_header_i64(r, "n");
	struct model_lineage *l = p->lineages;

	if (!lineage || !n || r->topic == KMD_TOPIC_DLQ || r->topic == KMD_TOPIC_FEED)
		return false;
	while (l && l->lineage != lineage)
		l = l->next;
	if (!l) {
		l = sim_alloc(sizeof(*l));
		l->lineage = lineage;
		l->next = p->lineages;
		p->lineages = l;
	}
	if (n <= l->last_n)
		return true;
	l->last_n = n;
	return false;
}

static struct kmd_json_val parse(struct kmd_json *doc, const struct broker_record *r)
{
	SIM_CHECK(kmd_json_parse(doc, r->value) == 0, "the model cannot read %s", kmd_topic_name(r->topic));
	return kmd_json_root(doc);
}

static bool is_repeated_trade(const struct broker_record *r)
{
	struct kmd_json_val root = parse(&model->doc, r);
	struct kmd_trade_execution t;

	SIM_CHECK(kmd_trade_decode(kmd_json_get(root, "msg"), &model->arena, &t) == KMD_TRADE_OK,
	    "the model cannot read a trade");
	if (kmd_map_get(&model->trades, t.trade_id))
		return true;
	kmd_map_put(&model->trades, t.trade_id, model);
	return false;
}

static struct model_key *key_of(enum kmd_topic t, struct kmd_str key)
{
	struct model_key *k = model->keys;

	while (k && !(k->topic == t && kmd_str_eq(k->key, key)))
		k = k->next;
	if (k)
		return k;
	k = sim_alloc(sizeof(*k));
	k->topic = t;
	k->key = key;
	k->next = model->keys;
	model->keys = k;
	return k;
}

static int64_t time_of(struct kmd_json_val v, const char *name)
{
	int64_t ns;

	return kmd_time_parse(kmd_json_text(kmd_json_get(v, name), &model->arena), &ns) == 0 ? ns / 1000 : INT64_MIN;
}

static bool is_known_settlement(const struct broker_record *r)
{
	struct model_key *k = key_of(r->topic, r->key);
	struct kmd_settlement_data new, old;
	int64_t new_us, old_us;

	if (!r->value.p)
		return true;
	SIM_CHECK(kmd_settlement_decode(parse(&model->doc, r), &model->arena, &new) == 0, "no settlement");
	new_us = time_of(kmd_json_root(&model->doc), "known_at");
	if (k->latest) {
		SIM_CHECK(
		    kmd_settlement_decode(parse(&model->other, k->latest), &model->arena, &old) == 0, "no settlement");
		old_us = time_of(kmd_json_root(&model->other), "known_at");
		if (kmd_settlement_same(&new, &old))
			return true;
		if (new_us < old_us) {
			k->revisions++;
			return false;
		}
	}
	k->revisions++;
	k->latest = r;
	return false;
}

static bool is_newer(const struct broker_record *a, const struct broker_record *b)
{
	const char *updated = a->topic == KMD_TOPIC_MARKETS ? "updated_time" : "last_updated_ts";
	struct kmd_json_val x = parse(&model->doc, a), y = parse(&model->other, b);
	const int64_t a_us = time_of(kmd_json_get(x, "body"), updated),
		      b_us = time_of(kmd_json_get(y, "body"), updated);

	if (a_us != INT64_MIN && b_us != INT64_MIN && a_us != b_us)
		return a_us > b_us;
	return time_of(x, "fetched_at") > time_of(y, "fetched_at");
}

static bool is_old_listing(const struct broker_record *r)
{
	struct model_key *k = key_of(r->topic, r->key);

	if (!r->value.p || (k->latest && !is_newer(r, k->latest)))
		return true;
	k->latest = r;
	return false;
}

static enum fate fate_of(struct model_part *p, const struct broker_record *r)
{
	if (is_repeated_frame(p, r))
		return FATE_DUPLICATE;
	if (r->dead)
		return FATE_DEAD;
	switch (r->topic) {
	case KMD_TOPIC_TRADES:
		return is_repeated_trade(r) ? FATE_DUPLICATE : FATE_ROW;
	case KMD_TOPIC_SETTLEMENTS:
		return is_known_settlement(r) ? FATE_DUPLICATE : FATE_ROW;
	case KMD_TOPIC_MARKETS:
	case KMD_TOPIC_EVENTS:
	case KMD_TOPIC_SERIES:
		return is_old_listing(r) ? FATE_DUPLICATE : FATE_ROW;
	case KMD_TOPIC_DLQ:
		return FATE_DEAD;
	default:
		return FATE_ROW;
	}
}

/* ---- a commit ---- */

static enum kmd_topic topic_of(const struct db_offset *o, int32_t *ret_partition)
{
	const size_t i = (size_t)(o - &sim->database->offsets[0][0]);

	*ret_partition = (int32_t)(i % BROKER_PARTITIONS_MAX);
	return (enum kmd_topic)(i / BROKER_PARTITIONS_MAX);
}

static bool is_listing(enum kmd_topic t)
{
	return t == KMD_TOPIC_MARKETS || t == KMD_TOPIC_EVENTS || t == KMD_TOPIC_SERIES;
}

static bool is_of(const struct db_row *row, enum kmd_topic t, int32_t partition)
{
	if (row->partition != partition)
		return false;
	if (row->table != SINK_T_DEAD)
		return table_topic(row->table) == t;
	return db_offset_of(row_field(row, "topic"), partition) == &sim->database->offsets[t][partition];
}

/* Rows of the transaction that say they come from this record. */
static const struct db_row *find_row(const struct db_conn *c, const struct broker_record *r, int *ret_count)
{
	const struct db_row *found = NULL;

	*ret_count = 0;
	for (size_t i = 0; i < c->made.count; i++) {
		const struct db_row *row = c->made.of[i];

		if (!row->live || row->offset != r->offset || !is_of(row, r->topic, r->partition))
			continue;
		found = row;
		(*ret_count)++;
	}
	return found;
}

#define AT "%s [%d] at %lld"
#define AT_ARG(r) kmd_topic_name((r)->topic), (int)(r)->partition, (long long)(r)->offset

static void check_content(const struct broker_record *r, const struct db_row *row)
{
	if (r->topic == KMD_TOPIC_CONTROL || r->topic == KMD_TOPIC_OTHER)
		SIM_CHECK(
		    kmd_str_eq(row_field(row, "frame"), r->value), AT ": not the bytes that were sent", AT_ARG(r));
	if (r->topic == KMD_TOPIC_TRADES)
		SIM_CHECK(memmem(r->value.p, r->value.n, row_field(row, "trade_id").p, row_field(row, "trade_id").n),
		    AT ": another trade's row", AT_ARG(r));
	if (r->topic <= KMD_TOPIC_OTHER && broker_header_i64(r, "n"))
		SIM_CHECK(
		    copy_int(row_field(row, "n")) == broker_header_i64(r, "n"), AT ": another frame's row", AT_ARG(r));
	if (r->topic == KMD_TOPIC_SETTLEMENTS)
		SIM_CHECK(copy_int(row_field(row, "revision")) == key_of(r->topic, r->key)->revisions,
		    AT ": revision %lld and not %lld", AT_ARG(r), (long long)copy_int(row_field(row, "revision")),
		    (long long)key_of(r->topic, r->key)->revisions);
}

static void check_record(const struct db_conn *c, struct model_part *p, const struct broker_record *r)
{
	const enum fate fate = fate_of(p, r);
	const struct db_row *row;
	int n;

	row = find_row(c, r, &n);
	switch (fate) {
	case FATE_ROW:
		p->rows++;
		if (is_listing(r->topic)) { /* only the last of a batch is there, see check_sink_end */
			SIM_CHECK(n <= 1, AT ": stored %d times", AT_ARG(r), n);
			break;
		}
		SIM_CHECK(n == 1 && row->table != SINK_T_DEAD, AT ": the offset moves past it, its rows are %d%s",
		    AT_ARG(r), n, n ? " dead letters" : "");
		check_content(r, row);
		break;
	case FATE_DEAD:
		p->dead++;
		SIM_CHECK(n == 1 && row->table == SINK_T_DEAD, AT ": no dead letter but %d rows", AT_ARG(r), n);
		SIM_CHECK(!r->dead || kmd_str_eqz(row_field(row, "reason"), r->dead),
		    AT ": dead because of %.*s and not %s", AT_ARG(r), KMD_STR_ARG(row_field(row, "reason")), r->dead);
		break;
	case FATE_DUPLICATE:
		p->duplicates++;
		SIM_CHECK(n == 0, AT ": a repetition that is stored", AT_ARG(r));
		break;
	}
}

static void check_moved(const struct db_conn *c, const struct db_offset *o)
{
	int32_t partition;
	const enum kmd_topic t = topic_of(o, &partition);
	struct model_part *p = &model->parts[t][partition];
	const struct broker_log *l = broker_log(t, partition);

	SIM_CHECK(o->claimed_by == c->proc, "%s [%d]: %s commits what %s has claimed since", kmd_topic_name(t),
	    (int)partition, proc_name(c->proc), proc_name(o->claimed_by));
	SIM_CHECK(o->next >= p->next, "%s [%d]: the offset goes back from %lld to %lld", kmd_topic_name(t),
	    (int)partition, (long long)p->next, (long long)o->next);
	SIM_CHECK((size_t)o->next <= l->count, "%s [%d]: the offset %lld is behind the end", kmd_topic_name(t),
	    (int)partition, (long long)o->next);
	kmd_arena_reset(&model->arena);
	for (; p->next < o->next; p->next++)
		check_record(c, p, l->records[p->next]);
	SIM_CHECK(o->rows == p->rows && o->dead == p->dead && o->duplicates == p->duplicates,
	    "%s [%d] below %lld: counted %lld rows, %lld dead, %lld repeated; there are %lld, %lld, %lld",
	    kmd_topic_name(t), (int)partition, (long long)o->next, (long long)o->rows, (long long)o->dead,
	    (long long)o->duplicates, (long long)p->rows, (long long)p->dead, (long long)p->duplicates);
}

void check_commit(const struct db_conn *c)
{
	struct heap *former = heap_use(&sim->heap);

	for (size_t i = 0; i < c->moved_count; i++)
		check_moved(c, c->moved[i]);
	for (size_t i = 0; i < c->made.count; i++) {
		const struct db_row *row = c->made.of[i];
		bool told = false;

		for (size_t k = 0; k < c->moved_count && !told; k++) {
			int32_t partition;
			const enum kmd_topic t = topic_of(c->moved[k], &partition);

			told = is_of(row, t, partition) && row->offset < c->moved[k]->next;
		}
		SIM_CHECK(!row->live || told, "a row of %s at %lld without its offset", sink_tables[row->table].name,
		    (long long)row->offset);
	}
	heap_use(former);
}

/* ---- the end ---- */

bool check_sink_done(void)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; i < sim->broker->topics[t].partitions; i++)
			if (t != KMD_TOPIC_SHARDS &&
			    model->parts[t][i].next < (int64_t)broker_log((enum kmd_topic)t, i)->count)
				return false;
	return true;
}

static void check_part(enum kmd_topic t, int32_t i)
{
	const struct db_offset *o = &sim->database->offsets[t][i];
	const struct broker_log *l = broker_log(t, i);
	size_t live = 0;

	SIM_CHECK((size_t)o->next == l->count, "%s [%d]: stored to %lld of %zu", kmd_topic_name(t), (int)i,
	    (long long)o->next, l->count);
	SIM_CHECK(o->rows + o->dead + o->duplicates == o->next - o->first, "%s [%d]: the sum is not right",
	    kmd_topic_name(t), (int)i);
	for (size_t k = 0; k < o->in.count; k++)
		live += o->in.of[k]->live;
	SIM_CHECK(is_listing(t) ? live <= (size_t)(o->rows + o->dead) : live == (size_t)(o->rows + o->dead),
	    "%s [%d]: %zu rows and dead letters, counted %lld", kmd_topic_name(t), (int)i, live,
	    (long long)(o->rows + o->dead));
}

/* Each settlement and listing stands as its latest record says. */
static void check_key(const struct model_key *k)
{
	const enum sink_table t = k->topic == KMD_TOPIC_SETTLEMENTS ? SINK_T_REVISIONS
				  : k->topic == KMD_TOPIC_MARKETS   ? SINK_T_MARKETS
				  : k->topic == KMD_TOPIC_EVENTS    ? SINK_T_EVENTS
								    : SINK_T_SERIES;
	const struct db_keyed *there = db_keyed_of(t, k->key);

	if (!k->latest)
		return;
	SIM_CHECK(there->exists && there->row->offset == k->latest->offset,
	    "%s of %.*s is that at %lld and not that at %lld", sink_tables[t].name, KMD_STR_ARG(k->key),
	    there->exists ? (long long)there->row->offset : -1, (long long)k->latest->offset);
	if (t == SINK_T_REVISIONS)
		SIM_CHECK(there->revisions == k->revisions, "%.*s has %lld revisions and not %lld", KMD_STR_ARG(k->key),
		    (long long)there->revisions, (long long)k->revisions);
}

void check_sink_end(void)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; t != KMD_TOPIC_SHARDS && i < sim->broker->topics[t].partitions; i++)
			if (broker_log((enum kmd_topic)t, i)->count > 0)
				check_part((enum kmd_topic)t, i);
	for (const struct model_key *k = model->keys; k; k = k->next)
		check_key(k);
}
