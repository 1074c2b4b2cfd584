#include <stdio.h>
#include <string.h>

#include "sim_exchange.h"

/* REST of the exchange: what it shows at the moment it is asked; its lists come from a cache now and then. */

#define CACHE_NS (12 * SIM_S)
#define ARCHIVED_AFTER_NS (300 * SIM_S) /* after its settlement; months, really */

static void not_found(struct ex_answer *a)
{
	a->status = 404;
	kmd_buf_addz(&a->body, "{\"error\":{\"code\":\"not_found\",\"message\":\"not found\"}}");
}

/* Value of a query parameter; NONE: not there. */
static struct kmd_str param(const char *path, const char *name)
{
	const size_t n = strlen(name);

	for (const char *at = strpbrk(path, "?&"); at; at = strpbrk(at + 1, "?&"))
		if (strncmp(at + 1, name, n) == 0 && at[1 + n] == '=')
			return (struct kmd_str){at + n + 2, strcspn(at + n + 2, "&")};
	return KMD_STR_NONE;
}

static int64_t number(const char *path, const char *name, int64_t otherwise)
{
	int64_t v;

	return kmd_str_i64(param(path, name), &v) == 0 ? v : otherwise;
}

static bool begins(const char *path, const char *with, struct kmd_str *ret_rest)
{
	const size_t n = strlen(with);

	if (strncmp(path, with, n) != 0)
		return false;
	*ret_rest = (struct kmd_str){path + n, strcspn(path + n, "?")};
	return true;
}

static bool is_archived(const struct ex_version *v)
{
	return v->status == EX_FINALIZED && v->settled_ns < sim->exchange->cutoff_ns &&
	       v->settled_ns < sim->now_ns - ARCHIVED_AFTER_NS;
}

static void get_market(struct kmd_str ticker, bool historical, struct ex_answer *ret)
{
	const struct ex_market *m = exchange_market(ticker);
	const struct ex_version *v = m ? exchange_shows(m, sim->now_ns) : NULL;

	if (!v || is_archived(v) != historical) {
		not_found(ret);
		return;
	}
	kmd_buf_addz(&ret->body, "{\"market\":");
	exchange_market_body(&ret->body, m, v);
	kmd_buf_addc(&ret->body, '}');
}

static void get_event(struct kmd_str ticker, struct ex_answer *ret)
{
	const struct exchange *x = sim->exchange;

	for (size_t i = 0; i < x->events_count; i++)
		if (kmd_str_eqz(ticker, x->events[i].ticker)) {
			kmd_buf_addz(&ret->body, "{\"event\":");
			exchange_event_body(&ret->body, &x->events[i]);
			kmd_buf_addz(&ret->body, ",\"markets\":[]}");
			return;
		}
	not_found(ret);
}

static void get_series(struct kmd_str ticker, struct ex_answer *ret)
{
	for (size_t i = 0; i < sim->exchange->series_count; i++)
		if (kmd_str_eqz(ticker, sim->exchange->series[i])) {
			kmd_buf_addf(&ret->body,
			    "{\"series\":{\"ticker\":\"%s\",\"title\":\"s\",\"frequency\":\"daily\"}}",
			    sim->exchange->series[i]);
			return;
		}
	not_found(ret);
}

/* ---- lists ---- */

/* Those that are listed at @at_ns, from number @from on, a page of them; a cursor is a number. */
static void list(const char *path, const char *name, size_t count,
    bool (*write)(struct kmd_buf *b, size_t i, const char *path, int64_t at_ns), struct ex_answer *ret)
{
	const int64_t at_ns = sim_strikes(SIM_FAULT_rest_stale) ? sim->now_ns - sim_between(0, CACHE_NS) : sim->now_ns;
	size_t i = (size_t)number(path, "cursor", 0), n = 0;

	kmd_buf_addf(&ret->body, "{\"%s\":[", name);
	for (; i < count && n < sim->exchange->page; i++) {
		const size_t before = ret->body.n;

		if (n > 0)
			kmd_buf_addc(&ret->body, ',');
		if (write(&ret->body, i, path, at_ns))
			n++;
		else
			ret->body.n = before;
	}
	kmd_buf_addz(&ret->body, "],\"cursor\":\"");
	if (i < count)
		kmd_buf_addf(&ret->body, "%zu", i);
	kmd_buf_addz(&ret->body, "\"}");
}

static bool list_market(struct kmd_buf *b, size_t i, const char *path, int64_t at_ns)
{
	const struct ex_market *m = &sim->exchange->markets[i];
	const struct ex_version *v = exchange_shows(m, at_ns);
	const struct kmd_str status = param(path, "status");

	if (!v)
		return false;
	if (kmd_str_eqz(status, "open") && v->status == EX_ACTIVE) {
		exchange_market_body(b, m, v);
		return true;
	}
	if (!kmd_str_eqz(status, "settled") || v->status != EX_FINALIZED || is_archived(v) ||
	    v->settled_ns / KMD_NS_PER_S < number(path, "min_settled_ts", 0))
		return false;
	exchange_market_body(b, m, v);
	return true;
}

static bool is_open(size_t event, int64_t at_ns)
{
	for (size_t i = 0; i < sim->exchange->markets_count; i++) {
		const struct ex_market *m = &sim->exchange->markets[i];
		const struct ex_version *v = m->event == event ? exchange_shows(m, at_ns) : NULL;

		if (v && v->status != EX_FINALIZED)
			return true;
	}
	return false;
}

static bool list_event(struct kmd_buf *b, size_t i, const char *path, int64_t at_ns)
{
	if (!kmd_str_eqz(param(path, "status"), "open") || !is_open(i, at_ns))
		return false;
	exchange_event_body(b, &sim->exchange->events[i]);
	return true;
}

/* Newest first; those before the cutoff are in the archive and nowhere else. */
static void get_trades(const char *path, bool historical, struct ex_answer *ret)
{
	const struct exchange *x = sim->exchange;
	const int64_t from_ns = number(path, "min_ts", 0) * KMD_NS_PER_S;
	const int64_t to_ns = number(path, "max_ts", 1) * KMD_NS_PER_S;
	size_t i = (size_t)number(path, "cursor", (int64_t)x->trades_count), n = 0;

	kmd_buf_addz(&ret->body, "{\"trades\":[");
	for (; i > 0 && n < x->page + 20; i--) {
		const struct ex_trade *t = x->trades[i - 1];

		if (t->at_ns < from_ns || t->at_ns > to_ns || t->shown_ns > sim->now_ns ||
		    (t->at_ns < x->cutoff_ns) != historical)
			continue;
		if (n++ > 0)
			kmd_buf_addc(&ret->body, ',');
		frame_rest_trade(&ret->body, &t->t);
	}
	kmd_buf_addz(&ret->body, "],\"cursor\":\"");
	if (i > 0)
		kmd_buf_addf(&ret->body, "%zu", i);
	kmd_buf_addz(&ret->body, "\"}");
}

static void get_cutoff(struct ex_answer *ret)
{
	const struct exchange *x = sim->exchange;
	const char *at = frame_time(x->cutoff_ns ? x->cutoff_ns : sim->began_ns - 86400 * SIM_S, 6);

	kmd_buf_addf(&ret->body, "{\"market_settled_ts\":\"%s\",\"trades_created_ts\":\"%s\"}", at, at);
}

void exchange_get(const char *path, struct ex_answer *ret)
{
	const struct exchange *x = sim->exchange;
	struct kmd_str rest;

	*ret = (struct ex_answer){.status = 200};
	if (begins(path, "/markets?", &rest))
		list(path, "markets", x->markets_count, list_market, ret);
	else if (begins(path, "/events?", &rest))
		list(path, "events", x->events_count, list_event, ret);
	else if (begins(path, "/markets/trades", &rest))
		get_trades(path, false, ret);
	else if (begins(path, "/historical/trades", &rest))
		get_trades(path, true, ret);
	else if (begins(path, "/historical/cutoff", &rest))
		get_cutoff(ret);
	else if (begins(path, "/historical/markets/", &rest))
		get_market(rest, true, ret);
	else if (begins(path, "/markets/", &rest))
		get_market(rest, false, ret);
	else if (begins(path, "/events/", &rest))
		get_event(rest, ret);
	else if (begins(path, "/series/", &rest))
		get_series(rest, ret);
	else
		sim_fail("no such path: %s", path);
}
