#include "listing.h"

static const struct {
	const char *path;
	bool markets;
} lists[ENRICH_LIST_STEPS] = {
    [ENRICH_LIST_EVENTS_OPEN] = {"/events?status=open", false},
    [ENRICH_LIST_EVENTS_UNOPENED] = {"/events?status=unopened", false},
    [ENRICH_LIST_MARKETS_OPEN] = {"/markets?status=open", true},
    [ENRICH_LIST_MARKETS_UNOPENED] = {"/markets?status=unopened", true},
    [ENRICH_LIST_MARKETS_PAUSED] = {"/markets?status=paused", true},
    [ENRICH_LIST_SETTLED] = {"/markets?status=settled", true},
};

const char *enrich_listing_path(enum enrich_list_step step)
{
	return lists[step].path;
}

const char *enrich_listing_array(enum enrich_list_step step)
{
	return lists[step].markets ? "markets" : "events";
}

int enrich_listing_limit(enum enrich_list_step step)
{
	return lists[step].markets ? 1000 : 200;
}

bool enrich_listing_is_markets(enum enrich_list_step step)
{
	return lists[step].markets;
}

bool enrich_pager_next(struct enrich_pager *p, struct kmd_json_val page, struct kmd_arena *arena, bool *ret_cut)
{
	struct kmd_str cursor = kmd_json_text(kmd_json_get(page, "cursor"), arena);
	bool stuck = kmd_str_eq(cursor, kmd_buf_str(&p->cursor));

	*ret_cut = cursor.n > 0 && (stuck || ++p->pages >= ENRICH_PAGES_MAX);
	if (cursor.n == 0 || *ret_cut) {
		enrich_pager_reset(p);
		return false;
	}
	kmd_buf_reset(&p->cursor);
	kmd_buf_add_str(&p->cursor, cursor);
	return true;
}

void enrich_pager_reset(struct enrich_pager *p)
{
	kmd_buf_reset(&p->cursor);
	p->pages = 0;
}

void enrich_pager_fini(struct enrich_pager *p)
{
	kmd_buf_fini(&p->cursor);
}

static void start(struct enrich_listing *l, enum enrich_list_step step, int64_t now_ns)
{
	l->step = step;
	l->started_ns = now_ns;
	l->running = true;
	l->left_out = false;
	l->cut = false;
	enrich_pager_reset(&l->pager);
}

void enrich_listing_begin(struct enrich_listing *l, int64_t now_ns, int64_t last_settled_ns, int64_t hole_ns)
{
	int64_t from_ns = last_settled_ns;

	if (l->reconciled_ns)
		from_ns = l->reconciled_ns;
	else if (from_ns == 0 || from_ns > now_ns)
		from_ns = now_ns - ENRICH_RECONCILE_FIRST_NS;
	if (hole_ns && hole_ns < from_ns)
		from_ns = hole_ns;
	l->from_ns = from_ns > ENRICH_RECONCILE_MARGIN_NS ? from_ns - ENRICH_RECONCILE_MARGIN_NS : 0;
	l->until_ns = now_ns;
	l->sweep = l->reconciled_ns == 0 ? ENRICH_SWEEP_ALL : hole_ns ? ENRICH_SWEEP_UNDECIDED : ENRICH_SWEEP_LOST;
	start(l, 0, now_ns);
}

void enrich_listing_repeat(struct enrich_listing *l, int64_t now_ns)
{
	l->sweep = ENRICH_SWEEP_NONE;
	start(l, ENRICH_LIST_SETTLED, now_ns);
}

bool enrich_listing_advance(struct enrich_listing *l)
{
	enrich_pager_reset(&l->pager);
	if (++l->step < ENRICH_LIST_STEPS)
		return true;
	l->running = false;
	if (!l->left_out && !l->cut)
		l->reconciled_ns = l->until_ns;
	return false;
}
