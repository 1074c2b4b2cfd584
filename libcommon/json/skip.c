#include "json_lex.h"
#include "kmd_json.h"

/* Values passed over: what is needed of a long text by who needs a few members of it. */

const char *kmd_json_skip_string(const char *p, const char *end, bool *ret_escaped)
{
	*ret_escaped = false;
	p = skip_plain(p + 1, end);
	while (p < end && *p == '\\') {
		*ret_escaped = true;
		p = escape_end(p, end);
		if (!p)
			return NULL;
		p = skip_plain(p, end);
	}
	return p < end && *p == '"' ? p + 1 : NULL;
}

static const char *string_end(const char *p, const char *end)
{
	bool escaped;

	return kmd_json_skip_string(p, end, &escaped);
}

static const char *word_end(const char *p, const char *end, struct kmd_str word)
{
	return (size_t)(end - p) >= word.n && memcmp(p, word.p, word.n) == 0 ? p + word.n : NULL;
}

static const char *scalar_end(const char *p, const char *end)
{
	switch (*p) {
	case '"':
		return string_end(p, end);
	case 't':
		return word_end(p, end, KMD_STR("true"));
	case 'f':
		return word_end(p, end, KMD_STR("false"));
	case 'n':
		return word_end(p, end, KMD_STR("null"));
	default:
		return number_end(p, end);
	}
}

/* Behind a member's name, its colon and the space around it. */
static const char *name_end(const char *p, const char *end)
{
	p = p < end && *p == '"' ? string_end(p, end) : NULL;
	p = p ? kmd_json_skip_space(p, end) : NULL;
	return p && p < end && *p == ':' ? kmd_json_skip_space(p + 1, end) : NULL;
}

/* The containers around the place, innermost in the lowest bit: is it an object? */
struct nest {
	uint64_t objects;
	unsigned depth;
};

/* Behind the brackets that close at p; then it is the end of the value if nothing is open any more. */
static const char *close_all(const char *p, const char *end, struct nest *n)
{
	while (n->depth > 0 && p < end && *p == (n->objects & 1 ? '}' : ']')) {
		n->objects >>= 1;
		n->depth--;
		p = n->depth > 0 ? kmd_json_skip_space(p + 1, end) : p + 1;
	}
	return p;
}

const char *kmd_json_skip(const char *p, const char *end, unsigned around)
{
	struct nest n = {0};

	while (p && p < end) {
		bool empty = false;

		if (*p == '{' || *p == '[') {
			if (around + n.depth >= KMD_JSON_DEPTH_MAX)
				return NULL;
			n.objects = n.objects << 1 | (*p == '{');
			n.depth++;
			p = kmd_json_skip_space(p + 1, end);
			empty = p < end && *p == (n.objects & 1 ? '}' : ']');
			if (!empty) {
				p = n.objects & 1 ? name_end(p, end) : p;
				continue;
			}
		}
		if (!empty) {
			p = scalar_end(p, end);
			if (!p || n.depth == 0)
				return p;
			p = kmd_json_skip_space(p, end);
		}
		p = close_all(p, end, &n);
		if (n.depth == 0)
			return p;
		if (p == end || *p != ',')
			return NULL;
		p = kmd_json_skip_space(p + 1, end);
		p = n.objects & 1 ? name_end(p, end) : p;
	}
	return NULL;
}
