#ifndef SINK_TEXT_H
#define SINK_TEXT_H

#include <stdbool.h>

#include "kmd_json.h"
#include "sink_fault.h"

/*
 * What Postgres can hold: text without NUL, well-formed UTF-8; JSON whose strings are such text and whose numbers fit
 * numeric. Checked before COPY, so that one record does not cost its batch. Pure.
 */

/** Can a text column hold these bytes? */
bool sink_text_holds(struct kmd_str s);
/**
 * Can jsonb hold @v, which is part of well-formed UTF-8? NONE, BAD_TEXT (\u0000, a lone surrogate) or BAD_NUMBER (more
 * than numeric's 131072 digits before the point or 16383 behind it). @scratch for unescaping.
 */
enum sink_fault sink_text_jsonb(struct kmd_json_val v, struct kmd_arena *scratch);

#endif
