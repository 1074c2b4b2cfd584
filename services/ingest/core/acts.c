#include <stdlib.h>

#include "kmd_mem.h"
#include "session_int.h"

struct ingest_act *ingest_acts_add(struct ingest_acts *a, enum ingest_act_kind kind)
{
	if (a->count == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 16;
		a->items = kmd_realloc(a->items, a->cap * sizeof(*a->items));
	}
	a->items[a->count] = (struct ingest_act){.kind = kind};
	return &a->items[a->count++];
}

void ingest_acts_add_text(struct ingest_acts *a, enum ingest_act_kind kind, struct kmd_str text)
{
	ingest_acts_add(a, kind)->text = kmd_arena_dup(&a->arena, text);
}

void ingest_acts_reset(struct ingest_acts *a)
{
	a->count = 0;
	kmd_arena_reset(&a->arena);
}

void ingest_acts_fini(struct ingest_acts *a)
{
	free(a->items);
	kmd_arena_fini(&a->arena);
	*a = (struct ingest_acts){0};
}
