#ifndef FUZZ_COPY_CHECK_H
#define FUZZ_COPY_CHECK_H

#include "copy_read.h"
#include "kmd_json.h"
#include "sink_table.h"
#include "sink_value.h"

/* Is a tuple or a stream of COPY BINARY one that Postgres would take for the table? */

/* numeric has 131072 digits before the point and 16383 behind it; what an exponent moves counts. */
static inline void copy_check_json_number(struct kmd_str raw)
{
	char *z = kmd_strndup(raw.p, raw.n), *e = z + strcspn(z, "eE"), *point = z + strcspn(z, ".eE");
	const long exponent = *e ? strtol(e + 1, NULL, 10) : 0;
	const long whole = point - z, frac = e > point ? e - point - 1 : 0;

	HOLDS(exponent <= 140000 && exponent >= -140000);
	HOLDS(whole + exponent <= 131072 + (z[0] == '-') && frac - exponent <= 16383);
	free(z);
}

static inline void copy_check_jsonb(struct kmd_str field)
{
	const struct kmd_str json = {field.p + 1, field.n - 1};
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0};

	HOLDS(field.n > 0 && field.p[0] == 1);
	HOLDS(kmd_str_is_utf8(json));
	HOLDS(kmd_json_parse(&doc, json) == 0);
	for (uint32_t i = 0; i < doc.count; i++) {
		const struct kmd_json_val v = {&doc, i};
		const struct kmd_str text = kmd_json_text(v, &arena);

		HOLDS(!text.p || (kmd_str_is_utf8(text) && (text.n == 0 || !memchr(text.p, 0, text.n))));
		if (kmd_json_is(v, KMD_JSON_NUMBER))
			copy_check_json_number(kmd_json_raw(v));
	}
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
}

static inline void copy_check_field(enum sink_type type, struct kmd_str field)
{
	const int64_t to_2000_us = INT64_C(946684800000000);
	struct kmd_buf numeric = {0};
	struct kmd_str rest = field;
	int64_t us;

	switch (type) {
	case SINK_TEXT:
		HOLDS(kmd_str_is_utf8(field) && (field.n == 0 || !memchr(field.p, 0, field.n)));
		break;
	case SINK_JSONB:
		copy_check_jsonb(field);
		break;
	case SINK_NUMERIC:
		copy_numeric_text(field, &numeric);
		kmd_buf_fini(&numeric);
		break;
	case SINK_TIME:
		HOLDS(field.n == 8);
		us = (int64_t)copy_take(&rest, 8);
		HOLDS(us >= SINK_TIME_MIN_US - to_2000_us && us <= SINK_TIME_MAX_US - to_2000_us);
		break;
	case SINK_INT8:
		HOLDS(field.n == 8);
		break;
	case SINK_DATE:
	case SINK_INT4:
		HOLDS(field.n == 4);
		break;
	case SINK_BOOL:
		HOLDS(field.n == 1 && (field.p[0] == 0 || field.p[0] == 1));
		break;
	case SINK_UUID:
		HOLDS(field.n == 16);
		break;
	case SINK_BYTEA:
		break;
	}
}

/** Takes one tuple of @table off the front: as many fields as it has columns, each of its type. */
static inline void copy_take_row(enum sink_table table, struct kmd_str *rest)
{
	const struct sink_table_def *t = &sink_tables[table];

	HOLDS(copy_take(rest, 2) == t->columns_count);
	for (size_t i = 0; i < t->columns_count; i++) {
		const struct kmd_str field = copy_take_field(rest);

		if (field.p)
			copy_check_field(t->columns[i].type, field);
	}
}

/** A whole stream, sealed: head, tuples, trailer. Returns the number of tuples. */
static inline size_t copy_check_stream(enum sink_table table, struct kmd_str rest)
{
	static const char head[19] = "PGCOPY\n\377\r\n";
	size_t rows = 0;

	HOLDS(rest.n >= sizeof(head) && memcmp(rest.p, head, sizeof(head)) == 0);
	rest = (struct kmd_str){rest.p + sizeof(head), rest.n - sizeof(head)};
	for (; rest.n > 2; rows++)
		copy_take_row(table, &rest);
	HOLDS(copy_take(&rest, 2) == 0xffff);
	return rows;
}

#endif
