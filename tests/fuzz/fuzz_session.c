/*
 * Ingest: the conversation on one connection. Input: lines. "+<ticker>" and "-<ticker>" change what books are wanted,
 * "books" opens the book universe, "tick <ms>" lets time pass, every other line is a frame that comes.
 *
 * - Each command sent is one JSON object with an id that is new and greater than all before; no more than
 *   INGEST_COMMANDS_MAX wait for an answer within their time.
 * - A gap is a jump: the number that came is above the one expected, came on that sid, and none between came before it
 * since the sid was last told gone; no jump is told twice.
 * - A frame that is told not to be new is not above all that came on its sid before.
 * - What is told of books names their channel; a book frame's use_yes_price is what was asked for, or unknown.
 */
#include "fuzz.h"
#include "session.h"

/* So few that no table of the session is full: what is left out then is another matter. */
#define SEEN_MAX 60

struct seen {
	int64_t sid, seq;
};

struct life {
	struct ingest_session s;
	struct ingest_scanner sc;
	struct ingest_acts acts;
	struct kmd_mono now;
	int64_t last_id;
	struct seen seen[SEEN_MAX]; /* frames in their order; cleared of a sid that is told gone */
	struct seen current;        /* the frame that has just come, seq 0: none */
	bool current_is_reply;
	size_t seen_count;
	struct ingest_seq_gap told[SEEN_MAX];
	size_t told_count;
	int64_t gone[SEEN_MAX]; /* sids that were told gone and have not begun again */
	size_t gone_count;
	bool closed;
};

/* Did @got come on that sid before any number from @expected on did? */
static bool is_jump(const struct life *l, const struct ingest_seq_gap *gap)
{
	for (size_t i = 0; i < l->seen_count; i++) {
		if (l->seen[i].sid == gap->sid && l->seen[i].seq == gap->got)
			return true;
		if (l->seen[i].sid == gap->sid && l->seen[i].seq >= gap->expected && l->seen[i].seq < gap->got)
			return false;
	}
	return l->current.sid == gap->sid && l->current.seq == gap->got;
}

static void check_command(struct life *l, struct kmd_str text)
{
	struct kmd_json doc = {0};
	struct kmd_json_val root;
	int64_t id;

	HOLDS(kmd_json_parse(&doc, text) == 0);
	root = kmd_json_root(&doc);
	HOLDS(kmd_json_is(root, KMD_JSON_OBJECT));
	HOLDS(kmd_json_i64(kmd_json_get(root, "id"), &id) == 0 && id > l->last_id);
	HOLDS(kmd_json_is(kmd_json_get(root, "cmd"), KMD_JSON_STRING));
	HOLDS(kmd_json_is(kmd_json_get(root, "params"), KMD_JSON_OBJECT));
	l->last_id = id;
	kmd_json_fini(&doc);
}

static void check_gap(struct life *l, const struct ingest_seq_gap *gap)
{
	HOLDS(gap->expected >= 1 && gap->expected < gap->got);
	HOLDS(is_jump(l, gap));
	for (size_t i = 0; i < l->told_count; i++)
		HOLDS(l->told[i].sid != gap->sid || gap->expected >= l->told[i].got);
	if (l->told_count < SEEN_MAX)
		l->told[l->told_count++] = *gap;
}

static void forget(struct life *l, int64_t sid)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->told_count; i++)
		if (l->told[i].sid != sid)
			l->told[kept++] = l->told[i];
	l->told_count = kept;
	kept = 0;
	for (size_t i = 0; i < l->seen_count; i++)
		if (l->seen[i].sid != sid)
			l->seen[kept++] = l->seen[i];
	l->seen_count = kept;
}

static bool is_gone(const struct life *l, int64_t sid)
{
	for (size_t i = 0; i < l->gone_count; i++)
		if (l->gone[i] == sid)
			return true;
	return false;
}

static void begin_again(struct life *l, int64_t sid)
{
	size_t kept = 0;

	if (!is_gone(l, sid))
		return;
	forget(l, sid);
	for (size_t i = 0; i < l->gone_count; i++)
		if (l->gone[i] != sid)
			l->gone[kept++] = l->gone[i];
	l->gone_count = kept;
}

static void end(struct life *l, int64_t sid)
{
	forget(l, sid);
	if (!is_gone(l, sid) && l->gone_count < SEEN_MAX)
		l->gone[l->gone_count++] = sid;
}

static void check_act(struct life *l, const struct ingest_act *a)
{
	switch (a->kind) {
	case INGEST_ACT_SEND:
		check_command(l, a->text);
		break;
	case INGEST_ACT_GAP:
		HOLDS(a->has_sid && a->sid == a->gap.sid);
		check_gap(l, &a->gap);
		break;
	case INGEST_ACT_SUBSCRIBED:
		HOLDS(a->channel < INGEST_CHANNEL_COUNT);
		/* a reply that revives a number counts only as its first, seq 1 */
		if (a->has_sid && is_gone(l, a->sid) && l->current_is_reply)
			l->current.seq = 0;
		if (a->has_sid)
			begin_again(l, a->sid);
		break;
	case INGEST_ACT_GONE:
		HOLDS(a->channel < INGEST_CHANNEL_COUNT);
		if (a->has_sid)
			end(l, a->sid);
		break;
	case INGEST_ACT_RESYNCED:
		HOLDS(a->has_sid);
		break;
	case INGEST_ACT_FAULT:
		break;
	case INGEST_ACT_CLOSE:
		HOLDS(a->text.p);
		l->closed = true;
		break;
	}
}

static void check_acts(struct life *l)
{
	size_t pending = 0;

	for (size_t i = 0; i < l->acts.count; i++)
		check_act(l, &l->acts.items[i]);
	ingest_acts_reset(&l->acts);
	for (size_t i = 0; i < INGEST_COMMANDS_MAX; i++)
		pending += l->s.pending[i].kind != INGEST_CMD_NONE;
	HOLDS(pending <= INGEST_COMMANDS_MAX && l->s.sids_count <= INGEST_SESSION_SIDS_MAX);
	HOLDS(l->s.batch_max >= 1 && l->s.batch_max <= INGEST_BOOK_BATCH_MAX);
}

static int64_t greatest(const struct life *l, int64_t sid)
{
	int64_t max = 0;

	for (size_t i = 0; i < l->seen_count; i++)
		if (l->seen[i].sid == sid && l->seen[i].seq > max)
			max = l->seen[i].seq;
	return max;
}

static void remember(struct life *l)
{
	if (l->current.seq > 0 && !is_gone(l, l->current.sid) && l->seen_count < SEEN_MAX)
		l->seen[l->seen_count++] = l->current;
	l->current.seq = 0;
}

static void take_frame(struct life *l, struct kmd_str line)
{
	const struct ingest_frame f = ingest_frame_scan(&l->sc, line, false);
	const bool numbered = f.has_sid && f.has_seq;
	const int64_t before = numbered ? greatest(l, f.sid) : 0;
	enum ingest_seq_verdict verdict;
	int use_yes_price;

	/* the number of a subscription that is gone begins again with a frame of seq 1, or when it is told */
	if (numbered && f.seq == 1)
		begin_again(l, f.sid);
	l->current = (struct seen){f.sid, numbered ? f.seq : 0};
	l->current_is_reply = ingest_type_is_reply(f.type);
	verdict = ingest_session_frame(&l->s, &l->sc, &f, INT64_C(1795341600000000000) + l->now.ns, l->now, &l->acts);
	HOLDS(verdict != INGEST_SEQ_NOT_NEW || (numbered && f.seq <= before));
	use_yes_price = ingest_session_use_yes_price(&l->s, &f);
	HOLDS(use_yes_price == -1 || (use_yes_price == 0 && ingest_type_is_book(f.type) && f.has_sid));
}

static void take_line(struct life *l, struct kmd_str line)
{
	const struct kmd_str rest = {line.p + 1, line.n - 1}, word = KMD_STR("tick ");
	uint64_t ms;

	if (line.n > 1 && (line.p[0] == '+' || line.p[0] == '-')) {
		ingest_session_want(&l->s, rest, line.p[0] == '+');
	} else if (kmd_str_eqz(line, "books")) {
		ingest_session_open_books(&l->s);
	} else if (kmd_str_has_prefix(line, word)) {
		if (kmd_str_u64((struct kmd_str){line.p + word.n, line.n - word.n}, &ms) == 0 && ms <= 100000)
			l->now.ns += (int64_t)ms * KMD_NS_PER_MS;
		ingest_session_tick(&l->s, l->now, &l->acts);
	} else {
		take_frame(l, line);
	}
	check_acts(l);
	remember(l);
	(void)ingest_session_expects_data(&l->s);
	(void)ingest_session_is_complete(&l->s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmd_str rest = fuzz_text(data, size);
	struct life *l = kmd_calloc(1, sizeof(*l));

	l->now.ns = KMD_NS_PER_S;
	ingest_session_init(&l->s, (1u << INGEST_CHANNEL_COUNT) - 1, 7);
	for (int lines = 0; rest.n > 0 && lines < SEEN_MAX && !l->closed; lines++) {
		const struct kmd_str line = fuzz_exact(fuzz_piece(&rest, '\n'));

		take_line(l, line);
		free((char *)line.p);
	}
	ingest_session_fini(&l->s);
	ingest_scanner_fini(&l->sc);
	ingest_acts_fini(&l->acts);
	free(l);
	return 0;
}
