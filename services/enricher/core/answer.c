#include "answer.h"

#include <stdlib.h>

#define CODE_LABEL(text) text,
const char *const enrich_code_labels[ENRICH_CODE_COUNT] = {ENRICH_CODES(CODE_LABEL)};

unsigned enrich_code_index(int rc, int status)
{
	if (rc != 0)
		return ENRICH_CODE_COUNT - 1;
	for (unsigned i = 0; i < ENRICH_CODE_COUNT - 2; i++)
		if (atoi(enrich_code_labels[i]) == status)
			return i;
	return ENRICH_CODE_COUNT - 2;
}

static void read_error(struct kmd_json_val root, struct kmd_arena *arena, struct enrich_answer *ret)
{
	struct kmd_json_val error = kmd_json_get(root, "error");
	struct kmd_json_val from = kmd_json_is(error, KMD_JSON_OBJECT) ? error : root;

	ret->code = kmd_json_text(kmd_json_get(from, "code"), arena);
	ret->details = kmd_json_text(kmd_json_get(from, "details"), arena);
	ret->message = kmd_json_text(kmd_json_get(from, "message"), arena);
	if (!ret->message.p)
		ret->message = kmd_json_text(kmd_json_get(root, "msg"), arena);
	if (!ret->message.p)
		ret->message = kmd_json_text(error, arena);
}

/* Codes may end in dynamic text (a user id), so they are told by their beginning; what is wrong with a signature stands
 * in details behind a code that says no more than that. */
static bool says(const struct enrich_answer *a, struct kmd_str word)
{
	return kmd_str_has_prefix(a->code, word) || kmd_str_has_prefix(a->details, word) ||
	       kmd_str_has_prefix(a->message, word);
}

static enum enrich_verdict error_verdict(int status, const struct enrich_answer *a)
{
	if (status == 429 || says(a, KMD_STR("too_many_requests")) || says(a, KMD_STR("too many requests")))
		return ENRICH_THROTTLED;
	if (status == 404 || status == 410)
		return ENRICH_NOT_FOUND;
	if (status == 401 || status == 403)
		return says(a, KMD_STR("header_timestamp_expired")) ? ENRICH_CLOCK_SKEW : ENRICH_BAD_KEY;
	if (status < 400 || status >= 500 || status == 408 || status == 409 || status == 425)
		return ENRICH_RETRY;
	return ENRICH_REFUSED;
}

void enrich_answer_read(
    struct kmd_json *doc, struct kmd_arena *arena, int rc, int status, struct kmd_str body, struct enrich_answer *ret)
{
	static const struct kmd_json_val none = {NULL, UINT32_MAX};
	bool parsed;

	*ret = (struct enrich_answer){.verdict = ENRICH_RETRY, .root = none};
	if (rc != 0)
		return;
	parsed = kmd_json_parse(doc, body) == 0 && kmd_json_is(kmd_json_root(doc), KMD_JSON_OBJECT);
	if (status >= 200 && status < 300) {
		ret->verdict = parsed ? ENRICH_OK : ENRICH_GARBAGE;
		if (parsed)
			ret->root = kmd_json_root(doc);
		return;
	}
	if (parsed)
		read_error(kmd_json_root(doc), arena, ret);
	ret->verdict = error_verdict(status, ret);
}
