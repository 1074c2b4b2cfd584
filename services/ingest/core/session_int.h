#ifndef INGEST_SESSION_INT_H
#define INGEST_SESSION_INT_H

#include "session.h"

/* Shared by session.c (time, frames), session_reply.c (answers) and acts.c; nobody else's. */

struct ingest_act *ingest_acts_add(struct ingest_acts *a, enum ingest_act_kind kind);
/** Copies @text. */
void ingest_acts_add_text(struct ingest_acts *a, enum ingest_act_kind kind, struct kmd_str text);

void ingest_session_reply(struct ingest_session *s, const struct ingest_reply *r, int64_t recv_ns, struct kmd_mono now,
    struct ingest_acts *acts);
/** @sid carries @channel now: remembered, its sequence claimed, jumps kept back told. */
void ingest_session_learn_sid(
    struct ingest_session *s, enum ingest_channel channel, int64_t sid, int64_t recv_ns, struct ingest_acts *acts);
void ingest_session_gap(struct ingest_session *s, const struct ingest_seq_gap *gap, struct ingest_acts *acts);
/** No answer, or one that asks for a later try: what the command carried is due again. Frees its place. */
void ingest_session_give_back(struct ingest_session *s, struct ingest_pending *p, struct kmd_mono now);
void ingest_session_free_pending(struct ingest_pending *p);

#endif
