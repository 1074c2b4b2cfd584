#include "sink_text.h"

#include <string.h>

#define NUMERIC_WHOLE_MAX 131072
#define NUMERIC_SCALE_MAX 16383

bool sink_text_holds(struct kmd_str s)
{
	return (s.n == 0 || !memchr(s.p, 0, s.n)) && kmd_str_is_utf8(s);
}

/* Exponent behind e or E, held within what decides. */
static int64_t exponent_of(struct kmd_str number)
{
	const int64_t bound = 10 * NUMERIC_WHOLE_MAX;
	int64_t e = 0;
	size_t i = 0;
	bool negative;

	while (i < number.n && number.p[i] != 'e' && number.p[i] != 'E')
		i++;
	if (i++ >= number.n)
		return 0;
	negative = i < number.n && number.p[i] == '-';
	for (; i < number.n; i++)
		if (number.p[i] >= '0' && number.p[i] <= '9' && e < bound)
			e = e * 10 + (number.p[i] - '0');
	return negative ? -e : e;
}

static bool numeric_holds(struct kmd_str number)
{
	int64_t whole = 0, scale = 0, exponent;
	bool point = false;

	if (number.n <= 16 && !memchr(number.p, 'e', number.n) && !memchr(number.p, 'E', number.n))
		return true;
	exponent = exponent_of(number);
	for (size_t i = 0; i < number.n && number.p[i] != 'e' && number.p[i] != 'E'; i++) {
		if (number.p[i] == '.')
			point = true;
		else if (number.p[i] != '-')
			*(point ? &scale : &whole) += 1;
	}
	return whole + exponent <= NUMERIC_WHOLE_MAX && scale - exponent <= NUMERIC_SCALE_MAX;
}

enum sink_fault sink_text_jsonb(struct kmd_json_val v, struct kmd_arena *scratch)
{
	if (v.index == UINT32_MAX)
		return SINK_FAULT_NONE;
	/* Keys are tokens like values, so one walk over the flat tape sees all. */
	for (uint32_t i = v.index, end = v.doc->tokens[v.index].next; i < end; i++) {
		const struct kmd_json_token *t = &v.doc->tokens[i];
		const struct kmd_json_val token = {v.doc, i};

		if (t->type == KMD_JSON_STRING && t->escaped && !sink_text_holds(kmd_json_text(token, scratch)))
			return SINK_FAULT_BAD_TEXT;
		if (t->type == KMD_JSON_NUMBER && !numeric_holds(kmd_json_raw(token)))
			return SINK_FAULT_BAD_NUMBER;
	}
	return SINK_FAULT_NONE;
}
