#include "sink_members.h"

#include <assert.h>
#include <string.h>

#include "sink_text.h"

static const struct kmd_json_val none = {NULL, UINT32_MAX};

static size_t find(const struct sink_members *m, struct kmd_str name)
{
	size_t i = 0;

	while (i < m->known_count && !kmd_str_eqz(name, m->known[i].name))
		i++;
	return i;
}

static void keep_loose(
    struct sink_members *m, struct kmd_json_val key, struct kmd_json_val value, struct kmd_arena *arena)
{
	struct sink_loose *l = kmd_arena_alloc(arena, sizeof(*l));

	*l = (struct sink_loose){key, value, NULL};
	*m->loose_end = l;
	m->loose_end = &l->next;
}

void sink_members_bind(struct sink_members *m, const struct sink_member *known, size_t known_count,
    struct kmd_json_val object, struct kmd_arena *arena)
{
	struct kmd_json_val key, value;
	uint32_t it = 0;

	assert(known_count <= SINK_MEMBERS_MAX);
	m->known = known;
	m->known_count = known_count;
	memset(m->filler, -1, sizeof(m->filler));
	m->loose = NULL;
	m->loose_end = &m->loose;
	for (size_t i = 0; i < known_count; i++)
		m->val[i] = none;
	while (kmd_json_each_member(object, &it, &key, &value)) {
		const size_t i = find(m, kmd_json_text(key, arena));

		if (i < known_count)
			m->val[i] = value;
		else
			keep_loose(m, key, value, arena);
	}
}

enum sink_fault sink_members_fill(struct sink_members *m, struct sink_row *row, struct kmd_arena *arena)
{
	for (size_t i = 0; i < m->known_count; i++) {
		const struct sink_member *k = &m->known[i];
		struct sink_value *column = &row->v[k->column];
		struct sink_reading r;

		if (column->has || m->val[i].index == UINT32_MAX)
			continue;
		r = sink_read(k->kind, m->val[i], arena);
		if (r.status == SINK_READ_OK) {
			*column = r.value;
			m->filler[k->column] = (int8_t)i;
		} else if (r.status == SINK_READ_UNHOLDABLE) {
			return SINK_FAULT_BAD_TEXT;
		} else if (r.status == SINK_READ_BAD && k->fault != SINK_FAULT_NONE) {
			return (enum sink_fault)k->fault;
		}
	}
	return SINK_FAULT_NONE;
}

static bool is_empty_text(struct kmd_json_val v)
{
	const struct kmd_str plain = kmd_json_plain(v);

	return plain.p && plain.n == 0;
}

/* Which known member fills the column of known[i]: the first of the list that can be read and is
 * more than "" (which fills no column but by sink_members_fill); known_count if none can. */
static size_t filler_of(const struct sink_members *m, size_t i, struct kmd_arena *arena)
{
	const uint8_t column = m->known[i].column;

	if (m->filler[column] >= 0)
		return (size_t)m->filler[column];
	for (size_t k = 0; k < m->known_count; k++)
		if (m->known[k].column == column && !is_empty_text(m->val[k]) &&
		    sink_read(m->known[k].kind, m->val[k], arena).status == SINK_READ_OK)
			return k;
	return m->known_count;
}

/* Is what known[i] tells told by its column? */
static bool is_told(const struct sink_members *m, const struct sink_row *row, size_t i, struct kmd_arena *arena)
{
	const struct sink_member *k = &m->known[i];
	struct sink_reading filler, mine;
	size_t f;

	if (kmd_json_is(m->val[i], KMD_JSON_NULL))
		return true;
	if (!row->v[k->column].has)
		return k->kind == SINK_K_UUID && sink_read(k->kind, m->val[i], arena).status == SINK_READ_EMPTY;
	f = filler_of(m, i, arena);
	if (f == i)
		return true;
	mine = sink_read(k->kind, m->val[i], arena);
	if (f == m->known_count || mine.status != SINK_READ_OK)
		return false;
	filler = sink_read(m->known[f].kind, m->val[f], arena);
	if (k->kind == SINK_K_LADDER || k->kind == SINK_K_LADDER_CENTS)
		return sink_read_ladders_agree(k->kind, m->val[i], m->known[f].kind, m->val[f], arena);
	return sink_read_agree(sink_tables[row->table].columns[k->column].type, &filler, &mine);
}

static enum sink_fault add_member(
    struct kmd_buf *out, struct kmd_str raw_key, struct kmd_json_val value, struct kmd_arena *arena)
{
	const enum sink_fault fault = sink_text_jsonb(value, arena);

	if (out->n > 0)
		kmd_buf_addc(out, ',');
	kmd_buf_add_str(out, raw_key);
	kmd_buf_addc(out, ':');
	kmd_buf_add_str(out, kmd_json_raw(value));
	return fault;
}

enum sink_fault sink_members_rest(
    const struct sink_members *m, const struct sink_row *row, struct kmd_arena *arena, struct kmd_buf *out)
{
	enum sink_fault fault = SINK_FAULT_NONE;

	for (size_t i = 0; i < m->known_count && !fault; i++) {
		if (m->val[i].index != UINT32_MAX && !is_told(m, row, i, arena)) {
			const struct kmd_str key = kmd_arena_printf(arena, "\"%s\"", m->known[i].name);

			fault = add_member(out, key, m->val[i], arena);
		}
	}
	for (const struct sink_loose *l = m->loose; l && !fault; l = l->next) {
		if (is_empty_text(l->value) && kmd_str_eqz(kmd_json_plain(l->key), "market_id"))
			continue;
		fault = sink_text_jsonb(l->key, arena);
		if (!fault)
			fault = add_member(out, kmd_json_raw(l->key), l->value, arena);
	}
	return fault;
}

struct kmd_json_val sink_members_get(const struct sink_members *m, const char *name)
{
	const size_t i = find(m, kmd_str_z(name));

	return i < m->known_count ? m->val[i] : none;
}
