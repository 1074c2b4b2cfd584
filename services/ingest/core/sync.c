#include "sync.h"

/* Books that are being added belong to a command without an answer, and to no queue. */
static bool is_adding(const struct ingest_session *s)
{
	for (size_t i = 0; i < INGEST_COMMANDS_MAX; i++) {
		const struct ingest_pending *p = &s->pending[i];

		if (p->books_count > 0 && (p->kind == INGEST_CMD_SUBSCRIBE || p->kind == INGEST_CMD_ADD))
			return true;
	}
	return false;
}

static bool has_books(const struct ingest_session *s)
{
	const struct ingest_book_list *queues = s->books.queues;

	if (s->subs[INGEST_CHANNEL_BOOK].state == INGEST_SUB_OFF)
		return true;
	return s->books_open && !is_adding(s) && queues[INGEST_BOOKS_ADD].count == 0 &&
	       queues[INGEST_BOOKS_SNAPSHOT].count == 0 && queues[INGEST_BOOKS_AWAIT].count == 0;
}

bool ingest_sync_is_reached(const struct ingest_session *s)
{
	return ingest_session_is_complete(s) && has_books(s);
}
