#include "glob.h"

#include <stdlib.h>

#include "kmd_mem.h"

bool ingest_glob_match(struct kmd_str glob, struct kmd_str text)
{
	size_t g = 0, t = 0, star = SIZE_MAX, resume = 0;

	while (t < text.n) {
		if (g < glob.n && glob.p[g] == '*') {
			star = g++;
			resume = t;
		} else if (g < glob.n && (glob.p[g] == '?' || glob.p[g] == text.p[t])) {
			g++;
			t++;
		} else if (star != SIZE_MAX) {
			g = star + 1;
			t = ++resume;
		} else {
			return false;
		}
	}
	while (g < glob.n && glob.p[g] == '*')
		g++;
	return g == glob.n;
}

static int add(struct ingest_globs *g, struct kmd_str piece, struct kmd_err *err)
{
	bool exclude = piece.n > 0 && piece.p[0] == '-';

	if (exclude)
		piece = kmd_str_trim((struct kmd_str){piece.p + 1, piece.n - 1});
	if (piece.n == 0)
		return kmd_err_set(err, KMD_ECONFIG, "KMD_INGEST_MARKETS: an empty pattern in the list");
	g->items = kmd_realloc(g->items, (g->count + 1) * sizeof(*g->items));
	g->excludes = kmd_realloc(g->excludes, (g->count + 1) * sizeof(*g->excludes));
	g->items[g->count] = piece;
	g->excludes[g->count++] = exclude;
	if (!exclude)
		g->includes_any = true;
	return 0;
}

int ingest_globs_parse(struct ingest_globs *g, struct kmd_str text, struct kmd_err *err)
{
	struct kmd_str rest = text, piece;
	int rc = 0;

	*g = (struct ingest_globs){0};
	while (rc == 0 && kmd_str_split(&rest, ',', &piece))
		rc = add(g, kmd_str_trim(piece), err);
	if (rc == 0 && g->count == 0)
		rc = kmd_err_set(err, KMD_ECONFIG, "KMD_INGEST_MARKETS: empty");
	if (rc < 0)
		ingest_globs_fini(g);
	return rc;
}

void ingest_globs_fini(struct ingest_globs *g)
{
	free(g->items);
	free(g->excludes);
	*g = (struct ingest_globs){0};
}

bool ingest_globs_pass(const struct ingest_globs *g, struct kmd_str ticker)
{
	bool included = !g->includes_any;

	for (size_t i = 0; i < g->count; i++) {
		if (!g->excludes[i] && included)
			continue;
		if (!ingest_glob_match(g->items[i], ticker))
			continue;
		if (g->excludes[i])
			return false;
		included = true;
	}
	return included;
}
