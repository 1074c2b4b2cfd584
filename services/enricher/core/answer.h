#ifndef ENRICH_ANSWER_H
#define ENRICH_ANSWER_H

#include "kmd_arena.h"
#include "kmd_json.h"
#include "kmd_str.h"

/*
 * What an answer of the exchange means. The exchange writes errors in four shapes, all read here:
 * {"error":{"code","message","details"}}, {"code","message","details"}, {"msg"}, {"error":"text"}. Pure.
 */

enum enrich_verdict {
	ENRICH_OK,
	ENRICH_NOT_FOUND,  /* 404, 410 */
	ENRICH_REFUSED,    /* another 4xx: the same call will not fare better soon */
	ENRICH_THROTTLED,  /* too many requests: everything slows down */
	ENRICH_CLOCK_SKEW, /* our timestamp was not accepted: heals with the clock, the key is good */
	ENRICH_BAD_KEY,    /* 401, 403 for any other reason */
	ENRICH_RETRY,      /* no answer, 5xx, redirect */
	ENRICH_GARBAGE,    /* 2xx without a JSON object */
};

struct enrich_answer {
	enum enrich_verdict verdict;
	struct kmd_json_val root;              /* of an OK answer */
	struct kmd_str code, message, details; /* of an error, NONE where not told; borrow from body or arena */
};

/**
 * @rc 0 when an HTTP answer came; @doc is filled from @body, which must outlive it. @arena for unescaped text.
 */
void enrich_answer_read(
    struct kmd_json *doc, struct kmd_arena *arena, int rc, int status, struct kmd_str body, struct enrich_answer *ret);

/* Label `code` of kmd_enricher_requests_total: a bounded set. */
/* clang-format off */
#define ENRICH_CODES(X) \
	X("200") X("400") X("401") X("403") X("404") \
	X("409") X("429") X("500") X("502") X("503") \
	X("504") X("other") X("error")
/* clang-format on */
enum { ENRICH_CODE_COUNT = 13 };
extern const char *const enrich_code_labels[ENRICH_CODE_COUNT];
/** Index of the label of an answer. */
unsigned enrich_code_index(int rc, int status);

#endif
