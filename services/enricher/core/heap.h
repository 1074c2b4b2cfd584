#ifndef ENRICH_HEAP_H
#define ENRICH_HEAP_H

#include "sched.h"

/*
 * The jobs of a lane by due time, then by order of arrival: a binary heap that knows the place of each job. Pure; owns
 * only its array (free(h->p)).
 */

void enrich_heap_push(struct enrich_heap *h, struct enrich_job *job);
void enrich_heap_remove(struct enrich_heap *h, struct enrich_job *job);
/** NULL when empty. */
struct enrich_job *enrich_heap_first(const struct enrich_heap *h);
/** Adds without order and without touching the job's place: a plain list. */
void enrich_heap_list(struct enrich_heap *h, struct enrich_job *job);

#endif
