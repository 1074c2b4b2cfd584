#include "ingest_int.h"

/*
 * The markets whose books are wanted, in a file beside the spool: one ticker a line. A life that begins while the
 * broker is away cannot read topic `markets` and captures these books meanwhile.
 */

#define FILE_NAME "markets"

static void note(struct ingest *g)
{
	struct ingest_spooling *sp = &g->spooling;
	struct kmd_buf text = {0};
	struct kmd_str ticker;
	size_t it = 0;

	if (g->now.ns < sp->markets_due.ns || sp->markets_noted == g->markets.changes ||
	    !(g->markets_known || sp->remembering))
		return;
	sp->markets_due.ns = g->now.ns + INGEST_SPOOL_MARKETS_NS;
	sp->markets_noted = g->markets.changes;
	while (ingest_markets_each(&g->markets, &it, &ticker)) {
		kmd_buf_add_str(&text, ticker);
		kmd_buf_addc(&text, '\n');
	}
	ingest_spool_keep(sp->spool, FILE_NAME, kmd_buf_str(&text));
	kmd_buf_fini(&text);
}

static void remember(struct ingest *g)
{
	struct ingest_spooling *sp = &g->spooling;
	struct kmd_buf text = {0};
	struct kmd_str rest, ticker;

	sp->remembering = true;
	ingest_spool_kept(sp->spool, FILE_NAME, &text);
	rest = kmd_buf_str(&text);
	while (kmd_str_split(&rest, '\n', &ticker))
		ingest_want(g, ticker, ingest_markets_remember(&g->markets, ticker));
	kmd_buf_fini(&text);
	kmd_log(KMD_LOG_INFO, "markets_remembered", "wanted", "%zu", g->markets.remembered, NULL);
}

/* New markets come to the topic when the broker is back and the enricher has looked at them. */
static void confirm(struct ingest *g)
{
	struct ingest_spooling *sp = &g->spooling;
	struct kmd_buf name = {0};
	struct kmd_str ticker;

	if (g->markets_known && sp->confirm_due.ns == 0)
		sp->confirm_due.ns = g->now.ns + INGEST_SPOOL_CONFIRM_NS;
	if (!g->markets_known || g->now.ns < sp->confirm_due.ns)
		return;

	while (ingest_markets_unconfirmed(&g->markets, &ticker)) {
		kmd_buf_reset(&name);
		kmd_buf_add_str(&name, ticker);
		ticker = kmd_buf_str(&name);
		ingest_want(g, ticker, ingest_markets_forget(&g->markets, ticker));
	}
	kmd_buf_fini(&name);
}

void ingest_spooling_markets(struct ingest *g)
{
	if (!g->spooling.remembering && !g->markets_known && ingest_spooling_stands_in(g))
		remember(g);
	if (g->spooling.remembering)
		confirm(g);
	note(g);
}
