#include "sink_fault.h"

#include <stddef.h>
#include <string.h>

static const char *const names[SINK_FAULT_COUNT] = {
#define SINK_FAULT_NAME(id, text) [SINK_FAULT_##id] = (text),
    SINK_FAULTS(SINK_FAULT_NAME)
#undef SINK_FAULT_NAME
};

const char *sink_fault_name(enum sink_fault f)
{
	return names[f];
}

enum sink_fault sink_fault_of_sqlstate(const char *sqlstate)
{
	static const struct {
		const char *state;
		enum sink_fault fault;
	} known[] = {
	    {"22021", SINK_FAULT_BAD_TEXT},   /* character_not_in_repertoire */
	    {"22P05", SINK_FAULT_BAD_TEXT},   /* untranslatable_character: \u0000 in jsonb */
	    {"22003", SINK_FAULT_BAD_NUMBER}, /* numeric_value_out_of_range */
	    {"22007", SINK_FAULT_BAD_TIME},   /* invalid_datetime_format */
	    {"22008", SINK_FAULT_BAD_TIME},   /* datetime_field_overflow */
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].state, sqlstate) == 0)
			return known[i].fault;
	return SINK_FAULT_REJECTED;
}
