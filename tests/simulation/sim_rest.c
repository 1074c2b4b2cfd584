#include <stdlib.h>
#include <string.h>

#include "kmd_rest.h"
#include "sim_coro.h"
#include "sim_exchange.h"
#include "sim_proc.h"

/* kmd_rest.h against the simulated exchange: calls that overtake each other, fail in every shape, or are not answered.
 */

struct call {
	struct call *next;
	struct kmd_rest *rest;
	uint64_t ref;
	const char *path;
	int64_t began_ns;
	int rc, status;
	struct kmd_str body;
};

struct kmd_rest {
	struct proc *proc;
	kmd_rest_fn fn;
	void *ctx;
	int64_t timeout_ns;
	int in_flight;
	struct call *first, *last; /* answers that wait to be served */
	bool dead;
};

static void on_gone(void *ctx)
{
	struct kmd_rest *r = ctx;

	r->dead = true;
}

int kmd_rest_new(struct kmd_rest **ret, const char *base_url, const char *ca_file, struct kmd_signer *signer,
    int max_in_flight, int64_t timeout_ns, kmd_rest_fn fn, void *ctx, struct kmd_err *err)
{
	struct kmd_rest *r = sim_alloc(sizeof(*r));

	(void)base_url;
	(void)ca_file;
	(void)signer;
	(void)max_in_flight;
	(void)err;
	*r = (struct kmd_rest){.proc = proc_self(), .fn = fn, .ctx = ctx, .timeout_ns = timeout_ns};
	proc_on_end(r->proc, on_gone, r);
	*ret = r;
	return 0;
}

void kmd_rest_free(struct kmd_rest *r)
{
	if (r)
		r->dead = true;
}

static void on_answer(void *ctx, uint64_t arg)
{
	struct call *c = ctx;
	struct kmd_rest *r = c->rest;

	(void)arg;
	if (r->dead)
		return;
	*(r->last ? &r->last->next : &r->first) = c;
	r->last = c;
	coro_wake(r->proc, r);
}

static void say(struct call *c, int status, const char *body)
{
	c->status = status;
	c->body = kmd_str_z(body);
}

static void be_locked_out(struct call *c)
{
	switch (sim_below(3)) {
	case 0:
		say(c, 401, "{\"error\":{\"code\":\"header_timestamp_expired\",\"message\":\"clock\"}}");
		break;
	case 1:
		say(c, 401, "{\"error\":{\"code\":\"authentication_error\",\"details\":\"NOT_FOUND\"}}");
		break;
	default:
		say(c, 403, "{\"code\":\"forbidden\",\"message\":\"no\",\"details\":\"\"}");
	}
}

static void be_throttled(struct call *c)
{
	if (sim_chance(500))
		say(c, 429, "{\"error\":\"too many requests\"}");
	else
		say(c, 429, "{\"error\":{\"code\":\"too_many_requests\",\"message\":\"slow down\"}}");
}

static void fail(struct call *c)
{
	static const int statuses[] = {500, 502, 503, 504};
	static const char *const bodies[] = {"", "<html>bad gateway</html>", "{\"msg\":\"internal\"}",
	    "{\"code\":\"internal\",\"message\":\"m\",\"details\":\"d\"}"};

	say(c, statuses[sim_below(4)], bodies[sim_below(4)]);
}

/* An answer that was cut, is of something else, or is none. */
static void be_garbage(struct call *c)
{
	if (sim_chance(300))
		say(c, 200, "<html>");
	else if (sim_chance(300) && !strstr(c->path, "cutoff")) /* that one says what it is or nothing */
		say(c, 200, "{\"market\":{\"ticker\":\"KXOTHER\"},\"event\":{\"event_ticker\":\"KXOTHER\"}}");
	else
		c->body.n = sim_below(c->body.n + 1);
}

static void ask_exchange(struct call *c)
{
	struct ex_answer a;

	exchange_get(c->path, &a);
	c->status = a.status;
	c->body = sim_dup(kmd_buf_str(&a.body));
	kmd_buf_fini(&a.body);
}

static void on_request(void *ctx, uint64_t arg)
{
	struct call *c = ctx;
	int64_t in_ns = sim_between(SIM_MS, 100 * SIM_MS);

	(void)arg;
	if (c->rest->dead)
		return;
	if (sim_chance(20))
		in_ns += sim_between(0, 4 * SIM_S);
	ask_exchange(c);
	if (sim_strikes(SIM_FAULT_rest_lost)) {
		c->rc = sim_chance(500) ? KMD_ETIMEOUT : KMD_EAGAIN;
		in_ns = c->rc == KMD_ETIMEOUT ? c->rest->timeout_ns : in_ns;
	} else if (sim_strikes(SIM_FAULT_rest_error)) {
		fail(c);
	} else if (sim_strikes(SIM_FAULT_rest_throttle)) {
		be_throttled(c);
	} else if (sim_strikes(SIM_FAULT_rest_locked)) {
		be_locked_out(c);
	} else if (sim_strikes(SIM_FAULT_rest_garbage)) {
		be_garbage(c);
	}
	sim_trace("exchange: %s: %d %d %.*s", c->path, c->rc, c->status, (int)(c->body.n < 300 ? c->body.n : 300),
	    c->body.p ? c->body.p : "");
	sim_after(in_ns, on_answer, c, 0);
}

int kmd_rest_get(struct kmd_rest *r, struct kmd_wall now, const char *path_and_query, uint64_t ref, struct kmd_err *err)
{
	struct call *c = sim_alloc(sizeof(*c));

	(void)now;
	(void)err;
	proc_point();
	c->rest = r;
	c->began_ns = sim->now_ns;
	c->ref = ref;
	c->path = sim_dup(kmd_str_z(path_and_query)).p;
	r->in_flight++;
	sim_after(sim_between(SIM_MS, 100 * SIM_MS), on_request, c, 0);
	return 0;
}

/* What came while the process stood still is too late if its time is over. */
static struct call *serve_in_time(struct call *c)
{
	if (sim->now_ns - c->began_ns > c->rest->timeout_ns)
		c->rc = KMD_ETIMEOUT;
	return c;
}

int kmd_rest_in_flight(const struct kmd_rest *r)
{
	return r->in_flight;
}

void kmd_rest_poll(struct kmd_rest *r, const int *fds, size_t fds_count, int timeout_ms)
{
	(void)fds;
	(void)fds_count;
	proc_point();
	if (!r->first)
		coro_sleep(sim->now_ns + timeout_ms * SIM_MS, NULL);
	proc_point();
	while (r->first) {
		struct call *c = serve_in_time(r->first);
		const struct kmd_rest_answer a = {
		    .ref = c->ref,
		    .rc = c->rc,
		    .status = c->rc ? 0 : c->status,
		    .body = c->rc ? KMD_STR_NONE : c->body,
		    .received = {proc_wall_ns(r->proc)},
		    .reason = c->rc ? "no answer" : "",
		};

		r->first = c->next;
		if (!r->first)
			r->last = NULL;
		r->in_flight--;
		r->fn(r->ctx, &a);
	}
}
