#ifndef SINK_FAULT_H
#define SINK_FAULT_H

/* Why a record has no row: the reasons of dead letters. The texts are part of the contract (interfaces 4). */

#define SINK_FAULTS(X) \
	X(NONE, "") \
	X(NOT_JSON, "not_json") \
	X(MISSING_KEY, "missing_key") \
	X(BAD_NUMBER, "bad_number") \
	X(BAD_TIME, "bad_time") \
	X(BAD_TEXT, "bad_text") \
	X(TIME_OUT_OF_RANGE, "time_out_of_range") \
	X(EXPIRED, "expired") \
	X(UNKNOWN_TYPE, "unknown_type") /* a book frame that is neither snapshot nor delta */ \
	X(REJECTED, "rejected")         /* Postgres refused it and no other reason fits */ \
	X(DLQ, "dlq")                   /* a record of topic dlq: the row's reason is its own */

enum sink_fault {
#define SINK_FAULT_ENUM(id, text) SINK_FAULT_##id,
	SINK_FAULTS(SINK_FAULT_ENUM)
#undef SINK_FAULT_ENUM
	    SINK_FAULT_COUNT,
};

const char *sink_fault_name(enum sink_fault f);
/** Reason for what Postgres refused with @sqlstate (of class REJECT). */
enum sink_fault sink_fault_of_sqlstate(const char *sqlstate);

#endif
