#ifndef INGEST_GLOB_H
#define INGEST_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include "kmd_err.h"
#include "kmd_str.h"

/*
 * KMD_INGEST_MARKETS: which markets' books are captured. A comma list of globs on tickers (`*` any run, `?` any byte);
 * `-` in front excludes. A ticker passes if some include matches (or there is none) and no exclude does.
 */

struct ingest_globs {
	struct kmd_str *items; /* without the `-`; borrow from the text */
	bool *excludes;
	size_t count;
	bool includes_any;
};

/** @text borrowed for the list's life. KMD_ECONFIG: empty list, empty glob. */
int ingest_globs_parse(struct ingest_globs *g, struct kmd_str text, struct kmd_err *err) KMD_MUST_CHECK;
void ingest_globs_fini(struct ingest_globs *g);
bool ingest_globs_pass(const struct ingest_globs *g, struct kmd_str ticker);
bool ingest_glob_match(struct kmd_str glob, struct kmd_str text);

#endif
