#include "probe.h"

#include "command.h"
#include "session_int.h"

/* The next book, in a circle, of which a snapshot has come on this connection, so one can be expected again: a market
 * that the exchange does not know is confirmed like any other, and passed over. */
static const struct ingest_book *next_held(const struct ingest_books *b, size_t *it)
{
	struct kmd_str ticker;
	void *value;

	for (int round = 0; round < 2; round++) {
		while (kmd_map_next(&b->map, it, &ticker, &value)) {
			const struct ingest_book *k = value;

			if (k->state == INGEST_BOOK_HELD && k->wanted && !k->fresh)
				return k;
		}
		*it = 0;
	}
	return NULL;
}

bool ingest_probe_send(struct ingest_session *s, struct ingest_acts *acts)
{
	const struct ingest_sub *sub = &s->subs[INGEST_CHANNEL_BOOK];
	const struct ingest_book *k;
	struct kmd_buf text = {0};

	if (sub->state != INGEST_SUB_UP || !sub->has_sid || s->books.held == 0)
		return false;
	k = next_held(&s->books, &s->probe_it);
	if (!k)
		return false;
	ingest_command_update(&text, ++s->last_id, INGEST_UPDATE_SNAPSHOT, sub->sid, &k->ticker, 1);
	ingest_acts_add_text(acts, INGEST_ACT_SEND, kmd_buf_str(&text));
	kmd_buf_fini(&text);
	return true;
}
