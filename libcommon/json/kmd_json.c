#include "kmd_json.h"

#include <stdlib.h>
#include <string.h>

#include "json_lex.h"
#include "kmd_mem.h"

/* The scanner. What a value means once it is on the tape: value.c. */

#define TOKENS_MIN 64

/* What may come next. Between steps these are the states of the scanner; negative is an error code. */
enum expect {
	EXPECT_VALUE,
	EXPECT_FIRST_ELEMENT, /* or the end of the array */
	EXPECT_FIRST_KEY,     /* or the end of the object */
	EXPECT_KEY,
	EXPECT_COMMA, /* or the end of what is open; at depth 0: of the text */
};

struct scan {
	struct kmd_json *doc;
	const char *p, *end;
	uint32_t depth;
	uint32_t open[KMD_JSON_DEPTH_MAX]; /* tokens of the containers around p, outermost first */
};

static void grow(struct kmd_json *doc)
{
	doc->cap = doc->cap ? doc->cap * 2 : TOKENS_MIN;
	doc->tokens = kmd_realloc(doc->tokens, doc->cap * sizeof(*doc->tokens));
}

/* A token that begins at p; the caller moves p and sets the end. */
static struct kmd_json_token *push(struct scan *s, enum kmd_json_type type)
{
	struct kmd_json *doc = s->doc;
	if (doc->count == doc->cap)
		grow(doc);
	struct kmd_json_token *t = &doc->tokens[doc->count++];
	*t = (struct kmd_json_token){.start = (uint32_t)(s->p - doc->text), .next = doc->count, .type = (uint8_t)type};
	return t;
}

static void end_token(struct scan *s, struct kmd_json_token *t, const char *end)
{
	t->end = (uint32_t)(end - s->doc->text);
	s->p = end;
}

/* p is at the opening quote. */
static int scan_string(struct scan *s)
{
	struct kmd_json_token *t = push(s, KMD_JSON_STRING);
	const char *p = s->p + 1;
	for (;;) {
		p = skip_plain(p, s->end);
		if (p == s->end)
			return KMD_EPARSE;
		if (*p == '"')
			break;
		if (*p != '\\')
			return KMD_EPARSE;
		t->escaped = 1;
		p = escape_end(p, s->end);
		if (!p)
			return KMD_EPARSE;
	}
	end_token(s, t, p + 1);
	return EXPECT_COMMA;
}

static int scan_number(struct scan *s)
{
	const char *end = number_end(s->p, s->end);
	if (!end)
		return KMD_EPARSE;
	end_token(s, push(s, KMD_JSON_NUMBER), end);
	return EXPECT_COMMA;
}

static int scan_literal(struct scan *s, struct kmd_str word, enum kmd_json_type type, bool truth)
{
	if ((size_t)(s->end - s->p) < word.n || memcmp(s->p, word.p, word.n) != 0)
		return KMD_EPARSE;
	struct kmd_json_token *t = push(s, type);
	t->truth = truth;
	end_token(s, t, s->p + word.n);
	return EXPECT_COMMA;
}

static int open_container(struct scan *s, enum kmd_json_type type)
{
	if (s->depth == KMD_JSON_DEPTH_MAX)
		return KMD_ETOOBIG;
	s->open[s->depth++] = s->doc->count;
	(void)push(s, type);
	s->p++;
	return type == KMD_JSON_OBJECT ? EXPECT_FIRST_KEY : EXPECT_FIRST_ELEMENT;
}

static int close_container(struct scan *s)
{
	struct kmd_json_token *t = &s->doc->tokens[s->open[--s->depth]];
	t->next = s->doc->count;
	end_token(s, t, s->p + 1);
	return EXPECT_COMMA;
}

static int scan_value(struct scan *s)
{
	if (s->depth)
		s->doc->tokens[s->open[s->depth - 1]].count++;
	switch (*s->p) {
	case '"':
		return scan_string(s);
	case '{':
		return open_container(s, KMD_JSON_OBJECT);
	case '[':
		return open_container(s, KMD_JSON_ARRAY);
	case 't':
		return scan_literal(s, KMD_STR("true"), KMD_JSON_BOOL, true);
	case 'f':
		return scan_literal(s, KMD_STR("false"), KMD_JSON_BOOL, false);
	case 'n':
		return scan_literal(s, KMD_STR("null"), KMD_JSON_NULL, false);
	default:
		return scan_number(s);
	}
}

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
		s->p++;
}

/* A member's name and the colon behind it. */
static int scan_key(struct scan *s)
{
	if (*s->p != '"')
		return KMD_EPARSE;
	const int rc = scan_string(s);
	if (rc < 0)
		return rc;
	skip_space(s);
	if (s->p == s->end || *s->p != ':')
		return KMD_EPARSE;
	s->p++;
	return EXPECT_VALUE;
}

/* Between values, inside a container. */
static int scan_comma(struct scan *s)
{
	const bool object = s->doc->tokens[s->open[s->depth - 1]].type == KMD_JSON_OBJECT;
	if (*s->p == (object ? '}' : ']'))
		return close_container(s);
	if (*s->p != ',')
		return KMD_EPARSE;
	s->p++;
	return object ? EXPECT_KEY : EXPECT_VALUE;
}

static int step(struct scan *s, enum expect expect)
{
	switch (expect) {
	case EXPECT_FIRST_ELEMENT:
		return *s->p == ']' ? close_container(s) : scan_value(s);
	case EXPECT_VALUE:
		return scan_value(s);
	case EXPECT_FIRST_KEY:
		return *s->p == '}' ? close_container(s) : scan_key(s);
	case EXPECT_KEY:
		return scan_key(s);
	case EXPECT_COMMA:
		break;
	}
	return s->depth ? scan_comma(s) : KMD_EPARSE;
}

int kmd_json_parse(struct kmd_json *doc, struct kmd_str text)
{
	if (!text.p)
		text = KMD_STR("");
	struct scan s = {.doc = doc, .p = text.p, .end = text.p + text.n};
	int state = EXPECT_VALUE;
	doc->text = text.p;
	doc->count = 0;
	if (text.n >= UINT32_MAX)
		return KMD_ETOOBIG;
	for (skip_space(&s); s.p < s.end && state >= 0; skip_space(&s))
		state = step(&s, (enum expect)state);
	if (state == EXPECT_COMMA && s.depth == 0)
		return 0;
	doc->count = 0;
	return state < 0 ? state : KMD_EPARSE;
}

void kmd_json_fini(struct kmd_json *doc)
{
	free(doc->tokens);
	*doc = (struct kmd_json){0};
}
