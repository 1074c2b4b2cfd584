#ifndef FUZZ_KAFKA_RECORD_H
#define FUZZ_KAFKA_RECORD_H

#include "fuzz.h"
#include "kmd_mem.h"
#include "sink_record.h"

/*
 * A Kafka record as text, for inputs:
 *
 *   <topic> [key]          key "-": none
 *   <header>: <value>      any number
 *   <empty line>
 *   <value>                to the end; "-": a tombstone
 */

#define RECORD_HEADERS_MAX 16

struct record {
	struct sink_record r;
	struct sink_header headers[RECORD_HEADERS_MAX];
	char *names[RECORD_HEADERS_MAX];
	struct kmd_str values[RECORD_HEADERS_MAX], key, value;
};

static inline void record_add_header(struct record *rec, struct kmd_str line)
{
	struct kmd_str value = line, name = fuzz_piece(&value, ':');
	const size_t i = rec->r.headers_count;

	if (i == RECORD_HEADERS_MAX)
		return;
	if (value.n > 0 && value.p[0] == ' ')
		value = (struct kmd_str){value.p + 1, value.n - 1};
	rec->names[i] = kmd_strndup(name.p, strnlen(name.p, name.n));
	rec->values[i] = fuzz_exact(value);
	rec->headers[i] = (struct sink_header){rec->names[i], rec->values[i]};
	rec->r.headers_count++;
}

/** Reads @text into @rec, whose parts are allocations of their exact size. */
static inline void record_read(struct record *rec, struct kmd_str text, int64_t offset)
{
	struct kmd_str key = fuzz_piece(&text, '\n'), topic = fuzz_piece(&key, ' ');

	*rec = (struct record){.r = {.partition = 3, .offset = offset, .timestamp_ms = INT64_C(1795341600123)}};
	if (!kmd_topic_find(topic, &rec->r.topic))
		rec->r.topic = KMD_TOPIC_OTHER;
	while (text.n > 0) {
		const struct kmd_str line = fuzz_piece(&text, '\n');

		if (line.n == 0)
			break;
		record_add_header(rec, line);
	}
	rec->key = fuzz_exact(key);
	rec->value = fuzz_exact(text);
	rec->r.key = kmd_str_eqz(key, "-") ? KMD_STR_NONE : rec->key;
	rec->r.value = kmd_str_eqz(text, "-") ? KMD_STR_NONE : rec->value;
	rec->r.headers = rec->headers;
}

/** The text of the next record off the front of @rest: up to a line "====". */
static inline struct kmd_str record_take(struct kmd_str *rest)
{
	const char *mark = memmem(rest->p, rest->n, "\n====\n", 6);
	const struct kmd_str text = {rest->p, mark ? (size_t)(mark - rest->p) : rest->n};
	const size_t used = text.n + (mark ? 6 : 0);

	*rest = (struct kmd_str){rest->p + used, rest->n - used};
	return text;
}

static inline void record_free(struct record *rec)
{
	for (size_t i = 0; i < rec->r.headers_count; i++) {
		free(rec->names[i]);
		free((char *)rec->values[i].p);
	}
	free((char *)rec->key.p);
	free((char *)rec->value.p);
}

#endif
