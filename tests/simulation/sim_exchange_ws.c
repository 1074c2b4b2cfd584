#include <string.h>

#include "kmd_json.h"
#include "sim_exchange.h"
#include "sim_proc.h"

/* Connections to the exchange: handshakes, commands and their answers, streams with their sequences. */

#define CODE_CHANNEL 10
#define CODE_OVERFLOW 25

/* ---- sending ---- */

struct wire {
	struct ex_conn *conn;
	struct ex_frame *frame; /* NULL: the end */
	const char *why;
};

static void on_arrival(void *ctx, uint64_t arg)
{
	struct wire *w = ctx;

	(void)arg;
	if (w->frame && w->conn->state == EX_OPEN && !w->frame->is_lost)
		ws_arrived(w->conn, w->frame);
	else if (!w->frame)
		ws_closed(w->conn, w->why);
}

/* What is sent on a connection arrives in its order. */
static void put_on_wire(struct ex_conn *c, struct ex_frame *f, const char *why)
{
	struct wire *w = sim_alloc(sizeof(*w));
	int64_t at_ns = sim->now_ns + sim_between(SIM_MS, 60 * SIM_MS);

	if (sim_chance(5) && !sim_healed())
		at_ns += sim_between(0, 3 * SIM_S);
	if (at_ns <= c->arrival_ns)
		at_ns = c->arrival_ns + 1000;
	c->arrival_ns = at_ns;
	*w = (struct wire){c, f, why};
	sim_after(at_ns - sim->now_ns, on_arrival, w, 0);
}

static void send(struct ex_conn *c, struct ex_frame *f)
{
	f->sent_ns = sim->now_ns;
	c->sent = sim_grow(c->sent, c->sent_count, &c->sent_cap, sizeof(struct ex_frame *));
	c->sent[c->sent_count++] = f;
	f->is_lost = !f->is_final && (sim->now_ns < c->silent_until_ns || (f->seq && sim_strikes(SIM_FAULT_drop)));
	put_on_wire(c, f, NULL);
	if (f->seq && !f->is_lost && sim_strikes(SIM_FAULT_repeat)) {
		struct ex_frame *again = sim_alloc(sizeof(*again));

		*again = *f;
		sim_happened(SIM_HAPPENED_duplicate_delivery);
		c->sent = sim_grow(c->sent, c->sent_count, &c->sent_cap, sizeof(struct ex_frame *));
		c->sent[c->sent_count++] = again;
		put_on_wire(c, again, NULL);
	}
}

static struct ex_frame *frame_new(const char *type, struct kmd_buf *b)
{
	struct ex_frame *f = sim_alloc(sizeof(*f));

	f->type = type;
	f->ticker = "";
	f->channel = INGEST_CHANNEL_COUNT;
	f->bytes = sim_dup(kmd_buf_str(b));
	kmd_buf_fini(b);
	return f;
}

static bool is_sequenced(enum ingest_channel channel)
{
	return channel != INGEST_CHANNEL_TICKER;
}

static struct frame_at next_at(struct ex_conn *c, int64_t sid)
{
	struct ex_sub *s = &c->subs[sid];

	return (struct frame_at){sid, is_sequenced(s->channel) ? ++s->seq : 0, sim->now_ns / SIM_MS};
}

static void publish_to(struct ex_conn *c, int64_t sid, const struct ex_message *m, struct ex_pub *pub)
{
	const struct frame_at at = next_at(c, sid);
	struct kmd_buf b = {0};
	struct ex_frame *f;

	m->write(&b, &at, m);
	f = frame_new(m->type, &b);
	f->ticker = m->market ? m->market->ticker : m->event->ticker;
	f->sid = sid;
	f->seq = at.seq;
	f->channel = m->channel;
	f->pub = pub;
	send(c, f);
}

static struct ex_pub *note_pub(const struct ex_message *m)
{
	struct exchange *x = sim->exchange;
	struct ex_pub *p = sim_alloc(sizeof(*p));

	*p = (struct ex_pub){.channel = m->channel, .at_ns = sim->now_ns};
	p->what = m->trade ? m->trade->t.id : m->event_type ? m->event_type : m->type;
	x->pubs = sim_grow(x->pubs, x->pubs_count, &x->pubs_cap, sizeof(struct ex_pub *));
	x->pubs[x->pubs_count++] = p;
	return p;
}

void exchange_publish(const struct ex_message *m)
{
	struct ex_pub *pub = note_pub(m);

	for (struct ex_conn *c = sim->exchange->conns; c; c = c->next)
		for (int64_t sid = 1; c->state == EX_OPEN && sid <= c->last_sid; sid++) {
			const struct ex_sub *s = &c->subs[sid];

			if (!s->live || s->channel != m->channel)
				continue;
			if (s->channel == INGEST_CHANNEL_BOOK && !s->markets[m->market - sim->exchange->markets])
				continue;
			publish_to(c, sid, m, pub);
		}
}

static bool send_snapshot(struct ex_conn *c, int64_t sid, size_t market, int64_t id)
{
	const struct ex_market *m = &sim->exchange->markets[market];
	const struct frame_at at = next_at(c, sid);
	struct kmd_buf b = {0};
	struct ex_frame *f;

	frame_snapshot(&b, &at, id, m->ticker, m->yes, m->no);
	f = frame_new("orderbook_snapshot", &b);
	f->ticker = m->ticker;
	f->sid = sid;
	f->seq = at.seq;
	f->channel = INGEST_CHANNEL_BOOK;
	send(c, f);
	return f->is_lost;
}

/* ---- replies ---- */

static struct ex_frame *reply(
    struct ex_conn *c, const char *type, int64_t sid, bool numbered, bool claims, bool final, struct kmd_buf *b)
{
	struct ex_frame *f;

	if (numbered)
		kmd_buf_addf(b, ",\"sid\":%lld,\"seq\":%lld", (long long)sid, (long long)++c->subs[sid].seq);
	kmd_buf_addc(b, '}');
	f = frame_new(type, b);
	f->sid = sid;
	f->claims = claims;
	f->is_final = final;
	f->seq = numbered ? c->subs[sid].seq : 0;
	if (sid)
		f->channel = c->subs[sid].channel;
	send(c, f);
	return f;
}

/* That a subscription is over is told for sure: nothing else would ever tell. */
static bool is_final(int code)
{
	return code == CODE_CHANNEL || code == CODE_OVERFLOW;
}

static void reply_error(struct ex_conn *c, int64_t id, int64_t sid, int code)
{
	struct kmd_buf b = {0};

	kmd_buf_addf(&b, "{\"type\":\"error\",\"msg\":{\"code\":%d,\"msg\":\"no\"}", code);
	if (id)
		kmd_buf_addf(&b, ",\"id\":%lld", (long long)id);
	if (sid && !is_sequenced(c->subs[sid].channel) && sim_chance(500))
		kmd_buf_addf(&b, ",\"sid\":%lld", (long long)sid);
	reply(c, "error", sid, sid && is_sequenced(c->subs[sid].channel), false, is_final(code), &b);
}

/* Did it get lost? */
static bool reply_ok(struct ex_conn *c, int64_t id, int64_t sid, bool claims)
{
	struct kmd_buf b = {0};

	kmd_buf_addf(&b, "{\"type\":\"ok\",\"id\":%lld", (long long)id);
	if (!is_sequenced(c->subs[sid].channel))
		kmd_buf_addf(&b, ",\"sid\":%lld", (long long)sid);
	return reply(c, "ok", sid, is_sequenced(c->subs[sid].channel), claims, false, &b)->is_lost;
}

struct late {
	struct ex_conn *conn;
	int64_t id, sid;
};

static void reply_subscribed(void *ctx, uint64_t arg)
{
	const struct late *l = ctx;
	struct ex_conn *c = l->conn;
	struct kmd_buf b = {0};

	(void)arg;
	if (c->state != EX_OPEN)
		return;
	kmd_buf_addf(&b, "{\"type\":\"subscribed\",\"id\":%lld", (long long)l->id);
	if (!c->old_shapes)
		kmd_buf_addf(&b, ",\"msg\":{\"channel\":\"%s\",\"sid\":%lld}",
		    ingest_channel_name(c->subs[l->sid].channel), (long long)l->sid);
	c->subs[l->sid].told = true;
	reply(c, "subscribed", l->sid, false, !c->old_shapes, false, &b);
}

/* ---- commands ---- */

struct command {
	int64_t id, sid;
	struct kmd_str name, action;
	enum ingest_channel channel;
	struct kmd_json_val tickers;
	bool is_untold; /* its answer is lost, or there is none */
};

static int64_t find_sub(const struct ex_conn *c, enum ingest_channel channel)
{
	for (int64_t sid = 1; sid <= c->last_sid; sid++)
		if (c->subs[sid].live && c->subs[sid].channel == channel)
			return sid;
	return 0;
}

static void each_market(struct ex_conn *c, const struct command *q,
    void (*fn)(struct ex_conn *c, const struct command *q, int64_t sid, size_t market), int64_t sid)
{
	struct kmd_json_val v;

	for (uint32_t it = 0; kmd_json_each(q->tickers, &it, &v);) {
		const struct ex_market *m = exchange_market(kmd_json_plain(v));

		if (m)
			fn(c, q, sid, (size_t)(m - sim->exchange->markets));
	}
}

static void add_one(struct ex_conn *c, const struct command *q, int64_t sid, size_t market)
{
	(void)q;
	if (c->subs[sid].markets[market])
		return;
	c->subs[sid].markets[market] = true;
	c->subs[sid].unsure[market] = send_snapshot(c, sid, market, 0) && q->is_untold;
}

static void delete_one(struct ex_conn *c, const struct command *q, int64_t sid, size_t market)
{
	(void)q;
	c->subs[sid].markets[market] = false;
}

static void snapshot_one(struct ex_conn *c, const struct command *q, int64_t sid, size_t market)
{
	if (c->subs[sid].markets[market] && !sim_strikes(SIM_FAULT_unanswered))
		send_snapshot(c, sid, market, q->id);
}

static void subscribe(struct ex_conn *c, struct command *q, bool silent)
{
	int64_t sid = find_sub(c, q->channel);

	if (sid) {
		q->is_untold = silent || reply_ok(c, q->id, sid, true);
	} else {
		struct late *l = sim_alloc(sizeof(*l));

		if (c->last_sid + 1 >= EX_SIDS_MAX)
			return;
		sid = ++c->last_sid;
		c->subs[sid] = (struct ex_sub){.live = true, .channel = q->channel};
		*l = (struct late){c, q->id, sid};
		q->is_untold = true; /* until the answer goes out, which nobody counts on here */
		if (silent)
			; /* done, and never told */
		else if (sim_strikes(SIM_FAULT_late_reply))
			sim_after(sim_between(0, 2 * SIM_S), reply_subscribed, l, 0);
		else
			reply_subscribed(l, 0);
	}
	if (q->channel == INGEST_CHANNEL_BOOK)
		each_market(c, q, add_one, sid);
}

static void update(struct ex_conn *c, struct command *q, bool silent)
{
	const int64_t sid = q->sid;

	if (sid <= 0 || sid > c->last_sid || !c->subs[sid].live) {
		reply_error(c, q->id, 0, 7);
		return;
	}
	if (kmd_str_eqz(q->action, "delete_markets"))
		each_market(c, q, delete_one, sid);
	if (!kmd_str_eqz(q->action, "get_snapshot"))
		q->is_untold = silent || reply_ok(c, q->id, sid, false);
	if (kmd_str_eqz(q->action, "add_markets"))
		each_market(c, q, add_one, sid);
	else if (kmd_str_eqz(q->action, "get_snapshot"))
		each_market(c, q, snapshot_one, sid);
}

static void unsubscribe(struct ex_conn *c, const struct command *q)
{
	struct kmd_buf b = {0};

	if (q->sid <= 0 || q->sid > c->last_sid || !c->subs[q->sid].live)
		return;
	kmd_buf_addf(&b, "{\"type\":\"unsubscribed\",\"id\":%lld", (long long)q->id);
	reply(c, "unsubscribed", q->sid, true, false, true, &b);
	c->subs[q->sid].live = false;
}

static void refuse(struct ex_conn *c, const struct command *q)
{
	static const int codes[] = {18, 27, 26, 8, 11};
	const bool ours = q->sid > 0 && q->sid <= c->last_sid && c->subs[q->sid].live;

	reply_error(c, q->id, ours && sim_chance(500) ? q->sid : 0, codes[sim_below(5)]);
}

static void run(struct ex_conn *c, struct command *q)
{
	const bool silent = sim_strikes(SIM_FAULT_unanswered);

	if (sim_strikes(SIM_FAULT_command))
		refuse(c, q);
	else if (silent && sim_chance(500))
		return; /* neither done nor told */
	else if (kmd_str_eqz(q->name, "subscribe"))
		subscribe(c, q, silent);
	else if (kmd_str_eqz(q->name, "update_subscription"))
		update(c, q, silent);
	else if (kmd_str_eqz(q->name, "unsubscribe"))
		unsubscribe(c, q);
	else
		sim_fail("no such command: %.*s", KMD_STR_ARG(q->name));
}

struct sent_command {
	struct ex_conn *conn;
	struct kmd_str text;
};

static void on_command(void *ctx, uint64_t arg)
{
	struct sent_command *s = ctx;
	struct kmd_json doc = {0};
	struct kmd_json_val root, params, channel;
	struct command q = {.channel = INGEST_CHANNEL_COUNT};
	uint32_t it = 0;

	(void)arg;
	if (s->conn->state != EX_OPEN)
		return;
	SIM_CHECK(kmd_json_parse(&doc, s->text) == 0, "a command that is not JSON: %.*s", KMD_STR_ARG(s->text));
	root = kmd_json_root(&doc);
	params = kmd_json_get(root, "params");
	SIM_CHECK(kmd_json_i64(kmd_json_get(root, "id"), &q.id) == 0, "a command without id");
	q.name = kmd_json_plain(kmd_json_get(root, "cmd"));
	q.action = kmd_json_plain(kmd_json_get(params, "action"));
	if (kmd_json_i64(kmd_json_get(params, "sid"), &q.sid) < 0)
		q.sid = 0;
	if (kmd_json_each(kmd_json_get(params, "sids"), &it, &channel) && kmd_json_i64(channel, &q.sid) < 0)
		q.sid = 0;
	it = 0;
	if (kmd_json_each(kmd_json_get(params, "channels"), &it, &channel) &&
	    !ingest_channel_find(kmd_json_plain(channel), &q.channel))
		sim_fail("no such channel in %.*s", KMD_STR_ARG(s->text));
	q.tickers = kmd_json_get(params, "market_tickers");
	sim_trace("exchange: lineage %lld says %.*s", (long long)s->conn->lineage, KMD_STR_ARG(s->text));
	run(s->conn, &q);
	kmd_json_fini(&doc);
}

void exchange_command(struct ex_conn *c, struct kmd_str text)
{
	struct sent_command *s = sim_alloc(sizeof(*s));

	*s = (struct sent_command){c, sim_dup(text)};
	sim_after(sim_between(SIM_MS, 80 * SIM_MS), on_command, s, 0);
}

/* ---- connections ---- */

static void on_dialled(void *ctx, uint64_t arg)
{
	static const int refusals[] = {401, 403, 429, 502, 503};
	struct ex_conn *c = ctx;

	(void)arg;
	if (c->state != EX_DIALING)
		return;
	if (sim_strikes(SIM_FAULT_dial)) {
		if (sim_chance(300))
			return; /* no answer */
		c->state = EX_CLOSED;
		if (sim_chance(600))
			ws_refused(c, refusals[sim_below(5)], "refused");
		else
			ws_refused(c, 0, "connection refused");
		return;
	}
	c->state = EX_OPEN;
	ws_opened(c);
}

void exchange_dial(struct ex_conn *c)
{
	c->old_shapes = sim_chance(50);
	c->dialled_ns = sim->now_ns;
	c->next = sim->exchange->conns;
	sim->exchange->conns = c;
	sim_after(sim_between(10 * SIM_MS, 400 * SIM_MS), on_dialled, c, 0);
}

void exchange_hang_up(struct ex_conn *c)
{
	c->state = EX_CLOSED;
}

static void lose_what_is_on_the_wire(struct ex_conn *c)
{
	for (size_t i = c->sent_count; i-- > 0 && c->sent_count - i < 400;)
		if (!c->sent[i]->n)
			c->sent[i]->is_lost = true;
}

static void cut(struct ex_conn *c)
{
	sim_trace("exchange: cuts lineage %lld", (long long)c->lineage);
	if (sim_chance(500))
		lose_what_is_on_the_wire(c);
	put_on_wire(c, NULL, "reset by peer");
	for (int64_t sid = 1; sid <= c->last_sid; sid++)
		c->subs[sid].live = false;
}

static void fall_silent(struct ex_conn *c)
{
	c->silent_until_ns = sim->now_ns + sim_between(SIM_S, 60 * SIM_S);
	if (c->silent_until_ns > sim->heal_ns)
		c->silent_until_ns = sim->heal_ns;
	sim_trace("exchange: lineage %lld falls silent", (long long)c->lineage);
}

static void end_sub(struct ex_conn *c)
{
	const int64_t sid = c->last_sid ? 1 + (int64_t)sim_below((uint64_t)c->last_sid) : 0;

	if (!sid || !c->subs[sid].live || !c->subs[sid].told || c->old_shapes)
		return; /* when `subscribed` named no sid there were no such errors yet */
	sim_trace("exchange: ends sid %lld of lineage %lld", (long long)sid, (long long)c->lineage);
	reply_error(c, 0, sid, sim_chance(500) ? CODE_CHANNEL : CODE_OVERFLOW);
	c->subs[sid].live = false;
}

void exchange_disturb(void)
{
	for (struct ex_conn *c = sim->exchange->conns; c; c = c->next) {
		if (c->state != EX_OPEN)
			continue;
		if (sim_strikes(SIM_FAULT_cut))
			cut(c);
		else if (sim_strikes(SIM_FAULT_silent))
			fall_silent(c);
		else if (sim_strikes(SIM_FAULT_terminal))
			end_sub(c);
	}
}
