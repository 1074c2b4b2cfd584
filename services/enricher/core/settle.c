#include "settle.h"

#include "cause.h"
#include "kmd_backoff.h"
#include "kmd_num.h"

enum enrich_settle_act enrich_settle_decide(
    struct enrich_settle *s, const struct kmd_settlement_data *d, unsigned triggers)
{
	bool complete = kmd_settlement_is_complete(d);

	if (complete && (triggers & ENRICH_WANT_SETTLED) && d->settled_at.n == 0 && !s->asked_again) {
		s->asked_again = true;
		s->empties = 1;
		return ENRICH_SETTLE_WAIT;
	}
	if (complete)
		return ENRICH_SETTLE_PUBLISH;
	s->empties++;
	return ENRICH_SETTLE_WAIT;
}

int64_t enrich_settle_delay(const struct enrich_settle *s, int64_t retry_ns, uint64_t *rng)
{
	int64_t cap = retry_ns > ENRICH_SETTLE_DELAY_MAX_NS ? retry_ns : ENRICH_SETTLE_DELAY_MAX_NS;
	int64_t delay = retry_ns > 0 ? retry_ns : 1;

	if (s->empties <= 1)
		return delay;
	for (unsigned k = 1; k < s->empties && delay < cap; k++)
		delay *= 2;
	delay += (int64_t)(kmd_rng_next(rng) % (uint64_t)(delay / 10 + 1));
	return delay < cap ? delay : cap;
}

static uint64_t add(uint64_t h, struct kmd_str s)
{
	return (h ^ kmd_str_hash(s) ^ (s.p ? 1 : 0)) * UINT64_C(0x100000001b3) + s.n;
}

/* Without the zeros that change no value; text that is no decimal stays as it is. */
static uint64_t add_decimal(uint64_t h, struct kmd_str text)
{
	struct kmd_dec d;

	if (kmd_dec_parse(text, &d) != 0)
		return add(h, text);
	while (d.whole.n > 1 && d.whole.p[0] == '0') {
		d.whole.p++;
		d.whole.n--;
	}
	while (d.frac.n > 0 && d.frac.p[d.frac.n - 1] == '0')
		d.frac.n--;
	h = add(h, d.negative && !kmd_dec_is_zero(&d) ? KMD_STR("-") : KMD_STR("+"));
	return add(add(h, d.whole), d.frac.n ? d.frac : KMD_STR(""));
}

struct enrich_outcome enrich_outcome_of(struct kmd_str result, struct kmd_str value)
{
	const uint64_t seed = UINT64_C(0xcbf29ce484222325);

	return (struct enrich_outcome){
	    .result = result.n ? add(seed, result) : 0,
	    .value = value.n ? add_decimal(seed, value) : 0,
	};
}

uint64_t enrich_outcome_hash(const struct kmd_settlement_data *d)
{
	uint64_t h = add(add(UINT64_C(0xcbf29ce484222325), d->status), d->result);

	h = add(add_decimal(h, d->settlement_value_dollars), d->expiration_value);
	return h ? h : 1;
}
