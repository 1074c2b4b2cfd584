/*
 * KMD_INGEST_MARKETS against a ticker, and the addresses of settings. Input: the list, a newline, the ticker; the first
 * line is an address too.
 *
 * - A glob matches as a table over all its and the text's beginnings says; a list passes what some include matches (or
 *   what there is, where there is no include) and no exclude does; a list with an empty pattern is refused.
 * - An accepted address has a host, a port and a rooted target that fit, and put together again it is the same one.
 *   What kmd-ingest can use passes the check of the settings, unless that asks for more.
 */
#include "fuzz.h"
#include "glob.h"
#include "kmd_app.h"
#include "url.h"

#define WIDE 256

static bool oracle_match(struct kmd_str glob, struct kmd_str text)
{
	static bool row[2][WIDE + 1];

	memset(row, 0, sizeof(row));
	row[0][0] = true;
	for (size_t g = 0; g < glob.n; g++) {
		bool *before = row[g % 2], *after = row[(g + 1) % 2];

		after[0] = glob.p[g] == '*' && before[0];
		for (size_t t = 0; t < text.n; t++) {
			const bool one = glob.p[g] == '?' || glob.p[g] == text.p[t];

			after[t + 1] = glob.p[g] == '*' ? before[t + 1] || after[t] : one && before[t];
		}
	}
	return row[glob.n % 2][text.n];
}

static void check_list(struct kmd_str list, struct kmd_str ticker)
{
	bool included = false, excluded = false, includes = false;
	struct kmd_err err = {.text = ""};
	struct ingest_globs g;

	if (ingest_globs_parse(&g, list, &err) < 0) {
		HOLDS(err.text[0] && !strchr(err.text, '\n'));
		return;
	}
	HOLDS(g.count > 0);
	for (size_t i = 0; i < g.count; i++) {
		const bool match = oracle_match(g.items[i], ticker);

		HOLDS(g.items[i].n > 0 && ingest_glob_match(g.items[i], ticker) == match);
		includes = includes || !g.excludes[i];
		included = included || (match && !g.excludes[i]);
		excluded = excluded || (match && g.excludes[i]);
	}
	HOLDS(ingest_globs_pass(&g, ticker) == ((included || !includes) && !excluded));
	ingest_globs_fini(&g);
}

static void check_address(struct kmd_str text)
{
	struct ingest_url u, again;
	struct kmd_err err = {.text = ""};
	struct kmd_buf b = {0};

	if (ingest_url_parse(&u, text, &err) < 0) {
		HOLDS(err.text[0] && !strchr(err.text, '\n'));
		return;
	}
	HOLDS(u.host[0] && u.port > 0 && u.port <= 65535 && u.target[0] == '/');
	kmd_buf_addf(&b, "%s://%s%s", u.tls ? "wss" : "ws", u.host_header, u.target);
	HOLDS(ingest_url_parse(&again, kmd_buf_str(&b), &err) == 0);
	HOLDS(strcmp(u.host, again.host) == 0 && u.port == again.port && u.tls == again.tls);
	HOLDS(strcmp(u.host_header, again.host_header) == 0 && strcmp(u.target, again.target) == 0);
	kmd_buf_fini(&b);
}

/* What passes the check of the settings can be used, but for its length and what stands in its path. */
static void check_setting(struct kmd_str text)
{
	char *z = kmd_strndup(text.n ? text.p : "", text.n ? strnlen(text.p, text.n) : 0);
	struct kmd_err err = {.text = ""};
	struct ingest_url u;

	if (kmd_app_check_url("KALSHI_WS_URL", z, "ws://", "wss://", true, &err) == 0) {
		if (strlen(z) < 200 && !strchr(z, '#'))
			HOLDS(ingest_url_parse(&u, kmd_str_z(z), &err) == 0);
	} else {
		HOLDS(err.text[0] && !strchr(err.text, '\n'));
	}
	free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmd_str rest = fuzz_text(data, size);
	const struct kmd_str list = fuzz_exact(fuzz_piece(&rest, '\n')), ticker = fuzz_exact(rest);

	if (list.n <= WIDE && ticker.n <= WIDE)
		check_list(list, ticker);
	check_address(list);
	check_setting(list);
	free((char *)list.p);
	free((char *)ticker.p);
	return 0;
}
