#include "session.h"

#include <stdlib.h>

#include "command.h"
#include "kmd_mem.h"
#include "session_int.h"

#define SUB_BASE_NS (500 * KMD_NS_PER_MS)
#define SUB_CAP_NS (30 * KMD_NS_PER_S)
#define SUB_SLOW_BASE_NS (5 * KMD_NS_PER_S)
#define SUB_SLOW_CAP_NS (60 * KMD_NS_PER_S)

void ingest_session_init(struct ingest_session *s, unsigned channels, uint64_t seed)
{
	*s = (struct ingest_session){.batch_max = INGEST_BOOK_BATCH_MAX, .rng = seed};
	s->book_pause = (struct kmd_backoff){.base_ns = SUB_BASE_NS, .cap_ns = SUB_CAP_NS};
	for (int c = 0; c < INGEST_CHANNEL_COUNT; c++) {
		struct ingest_sub *sub = &s->subs[c];

		sub->state = channels & 1u << c ? INGEST_SUB_DUE : INGEST_SUB_OFF;
		sub->again = (struct kmd_backoff){.base_ns = SUB_BASE_NS, .cap_ns = SUB_CAP_NS};
		sub->slowly = (struct kmd_backoff){.base_ns = SUB_SLOW_BASE_NS, .cap_ns = SUB_SLOW_CAP_NS};
	}
}

void ingest_session_free_pending(struct ingest_pending *p)
{
	free(p->books);
	*p = (struct ingest_pending){0};
}

void ingest_session_fini(struct ingest_session *s)
{
	for (size_t i = 0; i < INGEST_COMMANDS_MAX; i++)
		ingest_session_free_pending(&s->pending[i]);
	ingest_books_fini(&s->books);
	ingest_seq_fini(&s->seq);
}

void ingest_session_want(struct ingest_session *s, struct kmd_str ticker, bool wanted)
{
	if (s->subs[INGEST_CHANNEL_BOOK].state != INGEST_SUB_OFF)
		ingest_books_want(&s->books, ticker, wanted);
}

void ingest_session_open_books(struct ingest_session *s)
{
	s->books_open = true;
}

const struct ingest_session_sid *ingest_session_find_sid(const struct ingest_session *s, int64_t sid)
{
	for (size_t i = 0; i < s->sids_count; i++) {
		if (s->sids[i].sid == sid)
			return &s->sids[i];
	}
	return NULL;
}

/* Frames may come before the `subscribed` that names their sid, so while books are asked for a stranger's book frame is
 * taken for theirs. */
static bool may_be_book_sid(const struct ingest_session *s, int64_t sid)
{
	const struct ingest_sub *sub = &s->subs[INGEST_CHANNEL_BOOK];
	const struct ingest_session_sid *known = ingest_session_find_sid(s, sid);

	if (known && known->live)
		return known->channel == INGEST_CHANNEL_BOOK;
	return sub->state == INGEST_SUB_ASKED;
}

int ingest_session_use_yes_price(const struct ingest_session *s, const struct ingest_frame *f)
{
	const struct ingest_session_sid *known;

	if (!f->has_sid || !ingest_type_is_book(f->type))
		return -1;
	known = ingest_session_find_sid(s, f->sid);
	if (known && known->channel == INGEST_CHANNEL_BOOK)
		return 0;
	return may_be_book_sid(s, f->sid) ? 0 : -1;
}

bool ingest_session_expects_data(const struct ingest_session *s)
{
	for (int c = 0; c < INGEST_CHANNEL_COUNT; c++) {
		if (s->subs[c].state == INGEST_SUB_UP)
			return true;
	}
	return false;
}

bool ingest_session_is_complete(const struct ingest_session *s)
{
	for (int c = 0; c < INGEST_CHANNEL_COUNT; c++) {
		if (c != INGEST_CHANNEL_BOOK &&
		    (s->subs[c].state == INGEST_SUB_DUE || s->subs[c].state == INGEST_SUB_ASKED))
			return false;
	}
	return true;
}

void ingest_session_gap(struct ingest_session *s, const struct ingest_seq_gap *gap, struct ingest_acts *acts)
{
	const struct ingest_session_sid *known = ingest_session_find_sid(s, gap->sid);
	struct ingest_act *act = ingest_acts_add(acts, INGEST_ACT_GAP);

	act->sid = gap->sid;
	act->has_sid = true;
	act->channel = known ? known->channel : INGEST_CHANNEL_COUNT;
	act->gap = *gap;
	if (act->channel == INGEST_CHANNEL_BOOK) {
		ingest_books_gap(&s->books, gap->got);
		s->resyncing = true;
	}
}

/* The old shape of `subscribed` does not tell the sid; a frame does, which may also have come before it. */
static void learn_from_data(
    struct ingest_session *s, const struct ingest_frame *f, int64_t recv_ns, struct ingest_acts *acts)
{
	enum ingest_channel channel;
	const struct ingest_session_sid *known = ingest_session_find_sid(s, f->sid);

	if (!ingest_type_channel(f->type, &channel) || (known && known->live))
		return;
	if (s->subs[channel].state == INGEST_SUB_ASKED && !known)
		s->subs[channel].seen_sid = f->sid;
	if (s->subs[channel].state != INGEST_SUB_UP || s->subs[channel].has_sid)
		return;
	ingest_session_learn_sid(s, channel, f->sid, recv_ns, acts);
}

static enum ingest_seq_verdict check_sequence(
    struct ingest_session *s, const struct ingest_frame *f, int64_t recv_ns, struct ingest_acts *acts)
{
	struct ingest_seq_obs obs = {f->sid, f->seq, recv_ns, f->has_ts, f->ts_ms};
	struct ingest_seq_gap gap;
	enum ingest_seq_verdict verdict;

	if (!f->has_sid || !f->has_seq)
		return INGEST_SEQ_NEXT;
	verdict = ingest_seq_frame(&s->seq, &obs, &gap);
	if (verdict == INGEST_SEQ_GAP)
		ingest_session_gap(s, &gap, acts);
	return verdict;
}

static void tell_resynced(struct ingest_session *s, struct ingest_acts *acts)
{
	struct ingest_act *act;

	if (!s->resyncing || s->books.suspects > 0)
		return;
	s->resyncing = false;
	act = ingest_acts_add(acts, INGEST_ACT_RESYNCED);
	act->channel = INGEST_CHANNEL_BOOK;
	act->has_sid = s->subs[INGEST_CHANNEL_BOOK].has_sid;
	act->sid = s->subs[INGEST_CHANNEL_BOOK].sid;
}

enum ingest_seq_verdict ingest_session_frame(struct ingest_session *s, struct ingest_scanner *sc,
    const struct ingest_frame *f, int64_t recv_ns, struct kmd_mono now, struct ingest_acts *acts)
{
	enum ingest_seq_verdict verdict;

	if (f->has_sid && !ingest_type_is_reply(f->type))
		learn_from_data(s, f, recv_ns, acts);
	verdict = check_sequence(s, f, recv_ns, acts);
	if (ingest_type_is_reply(f->type)) {
		struct ingest_reply r = ingest_reply_read(sc, f);

		ingest_session_reply(s, &r, recv_ns, now, acts);
	} else if (f->type == INGEST_TYPE_SNAPSHOT && f->has_sid && f->market_ticker.n > 0 &&
		   may_be_book_sid(s, f->sid)) {
		ingest_books_snapshot(&s->books, f->market_ticker, f->has_seq, f->seq);
		tell_resynced(s, acts);
	}
	return verdict;
}

static struct ingest_pending *ask(
    struct ingest_session *s, enum ingest_command_kind kind, enum ingest_channel channel, struct kmd_mono now)
{
	for (size_t i = 0; i < INGEST_COMMANDS_MAX; i++) {
		struct ingest_pending *p = &s->pending[i];

		if (p->kind != INGEST_CMD_NONE)
			continue;
		p->kind = kind;
		p->channel = channel;
		p->id = ++s->last_id;
		p->deadline.ns = now.ns + INGEST_COMMAND_TIMEOUT_NS;
		if (kind != INGEST_CMD_SNAPSHOT && s->waiting_since.ns == 0)
			s->waiting_since = now;
		return p;
	}
	return NULL;
}

static size_t under_way(const struct ingest_session *s, enum ingest_command_kind a, enum ingest_command_kind b)
{
	size_t n = 0;

	for (size_t i = 0; i < INGEST_COMMANDS_MAX; i++)
		n += s->pending[i].kind == a || s->pending[i].kind == b ? 1 : 0;
	return n;
}

static void subscribe(
    struct ingest_session *s, enum ingest_channel channel, struct kmd_mono now, struct ingest_acts *acts)
{
	struct ingest_pending *p = ask(s, INGEST_CMD_SUBSCRIBE, channel, now);
	struct kmd_buf text = {0};

	if (!p)
		return;
	ingest_command_subscribe(&text, p->id, channel);
	ingest_acts_add_text(acts, INGEST_ACT_SEND, kmd_buf_str(&text));
	kmd_buf_fini(&text);
	s->subs[channel].state = INGEST_SUB_ASKED;
}

static void write_book_command(struct kmd_buf *text, const struct ingest_session *s, const struct ingest_pending *p,
    const struct kmd_str *tickers, size_t n)
{
	static const enum ingest_update updates[] = {
	    [INGEST_CMD_ADD] = INGEST_UPDATE_ADD,
	    [INGEST_CMD_DELETE] = INGEST_UPDATE_DELETE,
	    [INGEST_CMD_SNAPSHOT] = INGEST_UPDATE_SNAPSHOT,
	};

	if (p->kind == INGEST_CMD_SUBSCRIBE)
		ingest_command_subscribe_books(text, p->id, tickers, n);
	else
		ingest_command_update(text, p->id, updates[p->kind], s->subs[INGEST_CHANNEL_BOOK].sid, tickers, n);
}

/* One command about the first books of @queue. */
static void send_books(struct ingest_session *s, enum ingest_command_kind kind, enum ingest_book_queue queue,
    size_t max, struct kmd_mono now, struct ingest_acts *acts)
{
	struct ingest_pending *p = ask(s, kind, INGEST_CHANNEL_BOOK, now);
	struct kmd_str tickers[INGEST_BOOK_BATCH_MAX];
	struct kmd_buf text = {0};

	if (!p)
		return;
	p->books = kmd_calloc(max, sizeof(struct ingest_book *));
	p->books_count = ingest_books_take(&s->books, queue, max, INGEST_BOOK_BATCH_BYTES, now, p->books);
	for (size_t i = 0; i < p->books_count; i++)
		tickers[i] = p->books[i]->ticker;
	write_book_command(&text, s, p, tickers, p->books_count);
	ingest_acts_add_text(acts, INGEST_ACT_SEND, kmd_buf_str(&text));
	kmd_buf_fini(&text);
	if (kind != INGEST_CMD_SNAPSHOT)
		return;
	free(p->books);
	p->books = NULL;
	p->books_count = 0;
}

/* Snapshots answer for themselves, book by book; the command is remembered only in case it is refused. */
static void send_snapshots(struct ingest_session *s, struct kmd_mono now, struct ingest_acts *acts)
{
	struct ingest_pending *oldest = NULL;
	size_t n = 0;

	for (size_t i = 0; i < INGEST_COMMANDS_MAX; i++) {
		struct ingest_pending *p = &s->pending[i];

		if (p->kind != INGEST_CMD_SNAPSHOT)
			continue;
		n++;
		if (!oldest || p->id < oldest->id)
			oldest = p;
	}
	if (n >= INGEST_SNAPSHOT_COMMANDS_MAX)
		ingest_session_free_pending(oldest);
	send_books(s, INGEST_CMD_SNAPSHOT, INGEST_BOOKS_SNAPSHOT, INGEST_SNAPSHOT_BATCH_MAX, now, acts);
}

static bool waits(const struct ingest_session *s, enum ingest_book_queue queue)
{
	return s->books.queues[queue].count > 0;
}

static void tick_book_updates(struct ingest_session *s, struct kmd_mono now, struct ingest_acts *acts)
{
	if (now.ns >= s->book_due.ns && under_way(s, INGEST_CMD_ADD, INGEST_CMD_DELETE) < INGEST_BOOK_COMMANDS_MAX) {
		if (waits(s, INGEST_BOOKS_ADD))
			send_books(s, INGEST_CMD_ADD, INGEST_BOOKS_ADD, s->batch_max, now, acts);
		else if (waits(s, INGEST_BOOKS_DELETE))
			send_books(s, INGEST_CMD_DELETE, INGEST_BOOKS_DELETE, INGEST_BOOK_BATCH_MAX, now, acts);
		s->book_due.ns = now.ns + INGEST_BOOK_COMMAND_EVERY_NS;
	}
	if (now.ns >= s->snapshot_due.ns && waits(s, INGEST_BOOKS_SNAPSHOT)) {
		send_snapshots(s, now, acts);
		s->snapshot_due.ns = now.ns + INGEST_SNAPSHOT_EVERY_NS;
	}
}

static void tick_books(struct ingest_session *s, struct kmd_mono now, struct ingest_acts *acts)
{
	struct ingest_sub *sub = &s->subs[INGEST_CHANNEL_BOOK];

	ingest_books_tick(&s->books, now);
	if (sub->state == INGEST_SUB_DUE && now.ns >= sub->due.ns && s->books_open && waits(s, INGEST_BOOKS_ADD)) {
		send_books(s, INGEST_CMD_SUBSCRIBE, INGEST_BOOKS_ADD, s->batch_max, now, acts);
		sub->state = INGEST_SUB_ASKED;
	} else if (sub->state == INGEST_SUB_UP && sub->has_sid) {
		tick_book_updates(s, now, acts);
	}
	tell_resynced(s, acts);
}

static void tick_unanswered(struct ingest_session *s, struct kmd_mono now, struct ingest_acts *acts)
{
	for (size_t i = 0; i < INGEST_COMMANDS_MAX; i++) {
		struct ingest_pending *p = &s->pending[i];

		if (p->kind != INGEST_CMD_NONE && now.ns >= p->deadline.ns)
			ingest_session_give_back(s, p, now);
	}
	if (s->waiting_since.ns != 0 && now.ns - s->waiting_since.ns >= INGEST_SILENCE_NS)
		ingest_acts_add_text(acts, INGEST_ACT_CLOSE, KMD_STR("no_reply"));
}

void ingest_session_tick(struct ingest_session *s, struct kmd_mono now, struct ingest_acts *acts)
{
	tick_unanswered(s, now, acts);
	for (int c = 0; c < INGEST_CHANNEL_COUNT; c++) {
		if (c != INGEST_CHANNEL_BOOK && s->subs[c].state == INGEST_SUB_DUE && now.ns >= s->subs[c].due.ns)
			subscribe(s, (enum ingest_channel)c, now, acts);
	}
	if (s->subs[INGEST_CHANNEL_BOOK].state != INGEST_SUB_OFF)
		tick_books(s, now, acts);
}
