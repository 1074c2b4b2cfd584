#ifndef KMD_SETTLEMENT_H
#define KMD_SETTLEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_json.h"
#include "kmd_jsonw.h"
#include "kmd_str.h"

/*
 * SettlementData: what a market paid and when that became known (topic `settlements`, interfaces 3). Read either from
 * the `market` object of REST or from a settlement record of ours. Money stays the exchange's own decimal text; a
 * member that was not there is NONE, an empty one is "". A number where text is usual is taken as its own text. Bodies of
 * the cents era (integer `settlement_value`) become dollars. Views borrow from the document or the arena. Pure.
 */

struct kmd_settlement_data {
	struct kmd_str market_ticker, event_ticker, series_ticker, market_type, status;
	struct kmd_str result;                   /* yes, no, scalar, other text; "" = none yet */
	struct kmd_str settlement_value_dollars; /* YES payout, decimal text */
	struct kmd_str expiration_value;         /* free text, often "" */
	struct kmd_str determined_at;            /* RFC 3339, from the lifecycle frame */
	struct kmd_str settled_at;               /* the body's settlement_ts verbatim */
	struct kmd_str known_at;                 /* RFC 3339 ns: last byte of the answer */
	struct kmd_str trigger;                  /* determined, settled, reconcile */
	struct kmd_str body;                     /* raw JSON of the market object */
};

/** From GET /markets/{t}'s `market` object: fills all but series_ticker (unless the body has it), determined_at, known_at, trigger. 0 or KMD_EPARSE (no object or no ticker). */
int kmd_settlement_from_market(struct kmd_json_val market, struct kmd_arena *arena, struct kmd_settlement_data *ret) KMD_MUST_CHECK;
/** From a record of topic `settlements`. */
int kmd_settlement_decode(struct kmd_json_val record, struct kmd_arena *arena, struct kmd_settlement_data *ret) KMD_MUST_CHECK;
/** Does REST show an outcome yet: a result and a settlement value? */
bool kmd_settlement_is_complete(const struct kmd_settlement_data *s);
/**
 * Same outcome (status, result, settlement_value_dollars, expiration_value, determined_at, settled_at)?
 * Times by instant to the microsecond, decimals by value; a time or decimal that is "" equals an absent one.
 */
bool kmd_settlement_same(const struct kmd_settlement_data *a, const struct kmd_settlement_data *b);
/** Appends the record. */
void kmd_settlement_encode(const struct kmd_settlement_data *s, struct kmd_buf *out);

#endif
