#include "session_int.h"

#include "command.h"

/* Error codes of the exchange that call for something else than a slow repetition. */
enum {
	CODE_UNKNOWN_SID = 7,
	CODE_CHANNEL_ERROR = 10,
	CODE_TIMEOUT = 18,
	CODE_OVERFLOW = 25,
	CODE_MARKET_LIMIT = 26,
	CODE_TOO_MANY = 27,
};

static bool is_terminal(const struct ingest_reply *r)
{
	return r->has_code && (r->code == CODE_CHANNEL_ERROR || r->code == CODE_OVERFLOW);
}

/* The same command will do, after a while. */
static bool is_passing(const struct ingest_reply *r)
{
	return r->has_code && (r->code == CODE_TIMEOUT || r->code == CODE_MARKET_LIMIT || r->code == CODE_TOO_MANY);
}

static struct ingest_pending *find_pending(struct ingest_session *s, const struct ingest_reply *r)
{
	for (size_t i = 0; i < INGEST_COMMANDS_MAX; i++) {
		struct ingest_pending *p = &s->pending[i];

		if (p->kind != INGEST_CMD_NONE && r->has_id && p->id == r->id)
			return p;
	}
	return NULL;
}

static struct ingest_pending *find_subscribe(struct ingest_session *s, enum ingest_channel channel)
{
	for (size_t i = 0; i < INGEST_COMMANDS_MAX; i++) {
		struct ingest_pending *p = &s->pending[i];

		if (p->kind == INGEST_CMD_SUBSCRIBE && p->channel == channel)
			return p;
	}
	return NULL;
}

static struct ingest_session_sid *place_for(struct ingest_session *s, int64_t sid)
{
	struct ingest_session_sid *known = (struct ingest_session_sid *)ingest_session_find_sid(s, sid);

	if (known)
		return known;
	if (s->sids_count < INGEST_SESSION_SIDS_MAX)
		return &s->sids[s->sids_count++];
	for (size_t i = 0; i < s->sids_count; i++) {
		if (!s->sids[i].live)
			return &s->sids[i];
	}
	return NULL;
}

void ingest_session_learn_sid(
    struct ingest_session *s, enum ingest_channel channel, int64_t sid, int64_t recv_ns, struct ingest_acts *acts)
{
	struct ingest_session_sid *place = place_for(s, sid);
	const struct ingest_seq_gap *gaps = NULL;
	struct ingest_act *act = ingest_acts_add(acts, INGEST_ACT_SUBSCRIBED);
	size_t n;

	act->channel = channel;
	act->has_sid = true;
	act->sid = sid;
	act->markets = s->books.held;
	s->subs[channel].has_sid = true;
	s->subs[channel].sid = sid;
	if (place)
		*place = (struct ingest_session_sid){sid, channel, recv_ns, true};
	n = ingest_seq_claim(&s->seq, sid, recv_ns, &gaps);
	for (size_t i = 0; i < n; i++)
		ingest_session_gap(s, &gaps[i], acts);
}

void ingest_session_give_back(struct ingest_session *s, struct ingest_pending *p, struct kmd_mono now)
{
	struct ingest_sub *sub = &s->subs[p->channel];

	if (p->kind == INGEST_CMD_DELETE)
		ingest_books_delete_failed(&s->books, p->books, p->books_count);
	else
		ingest_books_add_unanswered(&s->books, p->books, p->books_count, p->kind == INGEST_CMD_ADD, now);
	if (p->kind == INGEST_CMD_SUBSCRIBE && sub->state == INGEST_SUB_ASKED)
		sub->state = INGEST_SUB_DUE;
	ingest_session_free_pending(p);
}

/* What a command carried has been done. */
static void finish(struct ingest_session *s, struct ingest_pending *p, struct kmd_mono now)
{
	s->waiting_since.ns = 0;
	if (p->kind == INGEST_CMD_DELETE)
		ingest_books_deleted(&s->books, p->books, p->books_count);
	else
		ingest_books_added(&s->books, p->books, p->books_count, now);
	if (p->books_count > 0) {
		kmd_backoff_reset(&s->book_pause);
		s->batch_max = s->batch_max > INGEST_BOOK_BATCH_MAX / 2 ? INGEST_BOOK_BATCH_MAX : s->batch_max * 2;
	}
	ingest_session_free_pending(p);
}

static void drop_book_commands(struct ingest_session *s)
{
	for (size_t i = 0; i < INGEST_COMMANDS_MAX; i++) {
		if (s->pending[i].kind != INGEST_CMD_NONE && s->pending[i].channel == INGEST_CHANNEL_BOOK)
			ingest_session_free_pending(&s->pending[i]);
	}
}

/* The subscription ended at the exchange: it is asked for again, later and later. */
static void gone(
    struct ingest_session *s, enum ingest_channel channel, int64_t code, struct kmd_mono now, struct ingest_acts *acts)
{
	struct ingest_sub *sub = &s->subs[channel];
	struct ingest_session_sid *known = (struct ingest_session_sid *)ingest_session_find_sid(s, sub->sid);
	struct ingest_act *act = ingest_acts_add(acts, INGEST_ACT_GONE);

	act->channel = channel;
	act->has_sid = sub->has_sid;
	act->sid = sub->sid;
	act->code = code;
	if (sub->has_sid && known)
		known->live = false;
	if (sub->has_sid)
		ingest_seq_retire(&s->seq, sub->sid);
	sub->has_sid = false;
	sub->state = INGEST_SUB_DUE;
	sub->due.ns = now.ns + kmd_backoff_next(&sub->again, &s->rng);
	if (channel == INGEST_CHANNEL_BOOK) {
		drop_book_commands(s);
		ingest_books_lost(&s->books);
		s->resyncing = false;
	}
}

/* A second subscription to what is held would double every frame. */
static void refuse_double(struct ingest_session *s, int64_t sid, struct ingest_acts *acts)
{
	struct kmd_buf text = {0};

	ingest_command_unsubscribe(&text, ++s->last_id, sid);
	ingest_acts_add_text(acts, INGEST_ACT_SEND, kmd_buf_str(&text));
	kmd_buf_fini(&text);
}

/* @channel is subscribed, under @sid if that is known. */
static void up(struct ingest_session *s, enum ingest_channel channel, bool has_sid, int64_t sid, int64_t recv_ns,
    struct kmd_mono now, struct ingest_acts *acts)
{
	struct ingest_sub *sub = &s->subs[channel];
	struct ingest_pending *p = find_subscribe(s, channel);

	if (sub->state == INGEST_SUB_OFF || (sub->state == INGEST_SUB_UP && sub->has_sid)) {
		if (has_sid && (sub->state == INGEST_SUB_OFF || sub->sid != sid))
			refuse_double(s, sid, acts);
		return;
	}
	sub->state = INGEST_SUB_UP;
	sub->has_sid = false;
	if (p)
		finish(s, p, now);
	if (has_sid || sub->seen_sid)
		ingest_session_learn_sid(s, channel, has_sid ? sid : sub->seen_sid, recv_ns, acts);
	sub->seen_sid = 0;
}

static void on_subscribed(struct ingest_session *s, const struct ingest_reply *r, int64_t recv_ns, struct kmd_mono now,
    struct ingest_acts *acts)
{
	struct ingest_pending *p = find_pending(s, r);
	enum ingest_channel asked = p ? p->channel : INGEST_CHANNEL_COUNT;

	for (size_t i = 0; i < r->subs_count; i++) {
		const struct ingest_reply_sub *sub = &r->subs[i];
		enum ingest_channel channel = sub->has_channel ? sub->channel : asked;

		if (channel != INGEST_CHANNEL_COUNT)
			up(s, channel, sub->has_sid, sub->sid, recv_ns, now, acts);
	}
	if (r->subs_count == 0 && asked != INGEST_CHANNEL_COUNT)
		up(s, asked, r->has_sid, r->sid, recv_ns, now, acts);
}

static void on_ok(struct ingest_session *s, const struct ingest_reply *r, int64_t recv_ns, struct kmd_mono now,
    struct ingest_acts *acts)
{
	struct ingest_pending *p = find_pending(s, r);

	if (!p)
		return;
	if (p->kind == INGEST_CMD_SUBSCRIBE)
		up(s, p->channel, r->has_sid, r->sid, recv_ns, now, acts);
	else
		finish(s, p, now);
}

static bool channel_of(const struct ingest_session *s, int64_t sid, enum ingest_channel *ret)
{
	for (int c = 0; c < INGEST_CHANNEL_COUNT; c++) {
		if (s->subs[c].state == INGEST_SUB_UP && s->subs[c].has_sid && s->subs[c].sid == sid) {
			*ret = (enum ingest_channel)c;
			return true;
		}
	}
	return false;
}

static void on_unsubscribed(
    struct ingest_session *s, const struct ingest_reply *r, struct kmd_mono now, struct ingest_acts *acts)
{
	enum ingest_channel channel;

	if (r->has_sid && channel_of(s, r->sid, &channel))
		gone(s, channel, 0, now, acts);
}

static void tell_fault(const struct ingest_reply *r, const struct ingest_pending *p, struct ingest_acts *acts)
{
	struct ingest_act *act;

	ingest_acts_add_text(acts, INGEST_ACT_FAULT, r->text);
	act = &acts->items[acts->count - 1];
	act->code = r->has_code ? r->code : 0;
	act->channel = p ? p->channel : INGEST_CHANNEL_COUNT;
}

static void subscribe_refused(struct ingest_session *s, struct ingest_pending *p, bool passing, struct kmd_mono now)
{
	struct ingest_sub *sub = &s->subs[p->channel];

	sub->due.ns = now.ns + kmd_backoff_next(passing ? &sub->again : &sub->slowly, &s->rng);
	ingest_session_give_back(s, p, now);
}

/* A batch that is refused for what it holds is halved until the one that is at fault stands alone. */
static void add_refused(struct ingest_session *s, struct ingest_pending *p, struct kmd_mono now)
{
	bool alone = p->books_count <= 1;

	if (!alone)
		s->batch_max = p->books_count / 2;
	ingest_books_add_failed(&s->books, p->books, p->books_count, alone, now);
	ingest_session_free_pending(p);
}

static void refused(
    struct ingest_session *s, struct ingest_pending *p, const struct ingest_reply *r, struct kmd_mono now)
{
	bool passing = is_passing(r);

	s->waiting_since.ns = 0;
	switch (p->kind) {
	case INGEST_CMD_SUBSCRIBE:
		subscribe_refused(s, p, passing, now);
		break;
	case INGEST_CMD_SNAPSHOT:
		s->snapshot_due.ns = now.ns + kmd_backoff_next(&s->book_pause, &s->rng);
		ingest_session_free_pending(p);
		break;
	default:
		s->book_due.ns = now.ns + kmd_backoff_next(&s->book_pause, &s->rng);
		if (p->kind == INGEST_CMD_ADD && !passing)
			add_refused(s, p, now);
		else
			ingest_session_give_back(s, p, now);
	}
}

static void on_error(
    struct ingest_session *s, const struct ingest_reply *r, struct kmd_mono now, struct ingest_acts *acts)
{
	struct ingest_pending *p = find_pending(s, r);
	enum ingest_channel channel = INGEST_CHANNEL_COUNT;
	bool ours = r->has_sid && channel_of(s, r->sid, &channel);
	bool lost = is_terminal(r) || (p && r->has_code && r->code == CODE_UNKNOWN_SID);

	tell_fault(r, p, acts);
	if (lost && !ours && p && s->subs[p->channel].state == INGEST_SUB_UP) {
		ours = true;
		channel = p->channel;
	}
	if (lost && ours)
		gone(s, channel, r->code, now, acts);
	else if (p)
		refused(s, p, r, now);
	else if (lost && !r->has_sid)
		ingest_acts_add_text(acts, INGEST_ACT_CLOSE, KMD_STR("terminal_error"));
}

void ingest_session_reply(struct ingest_session *s, const struct ingest_reply *r, int64_t recv_ns, struct kmd_mono now,
    struct ingest_acts *acts)
{
	switch (r->type) {
	case INGEST_TYPE_SUBSCRIBED:
		on_subscribed(s, r, recv_ns, now, acts);
		break;
	case INGEST_TYPE_OK:
		on_ok(s, r, recv_ns, now, acts);
		break;
	case INGEST_TYPE_UNSUBSCRIBED:
		on_unsubscribed(s, r, now, acts);
		break;
	case INGEST_TYPE_ERROR:
		on_error(s, r, now, acts);
		break;
	default:
		break;
	}
}
