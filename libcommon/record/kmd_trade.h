#ifndef KMD_TRADE_H
#define KMD_TRADE_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_json.h"
#include "kmd_str.h"

/*
 * TradeExecution: one public trade, as the WebSocket (`msg` of a frame of type trade) or REST (an element of
 * GET /markets/trades) tells it. Decimals are text with every digit that was received. Views borrow from the document
 * or the arena. Pure.
 */

struct kmd_trade_execution {
	struct kmd_str trade_id;
	struct kmd_str market_ticker; /* REST calls it `ticker` */
	struct kmd_str yes_price;     /* dollars; NONE: not sent */
	struct kmd_str no_price;
	struct kmd_str count;           /* contracts */
	struct kmd_str taker_side;      /* "yes" | "no", taker_outcome_side before the deprecated taker_side */
	struct kmd_str taker_book_side; /* "bid" | "ask" */
	int is_block_trade;             /* 1, 0, -1: not sent */
	bool has_ts;
	int64_t ts_ms; /* exchange time: ts_ms, else ts (s), else created_time, cut to ms; within KMD_TRADE_TS_MS_MAX */
};

/* A time further away than int64 ns can tell is clamped to this, so that a check of its range finds it out of range. */
#define KMD_TRADE_TS_MS_MAX (INT64_MAX / INT64_C(1000000))

enum kmd_trade_fault {
	KMD_TRADE_OK,
	KMD_TRADE_MISSING_KEY, /* no trade_id, ticker or exchange time */
	KMD_TRADE_BAD_NUMBER,  /* a price or count that is no decimal */
	KMD_TRADE_BAD_TIME,
	KMD_TRADE_BAD_TEXT, /* text that Postgres cannot hold */
};

/**
 * @msg the object that holds the members. Cents-era frames (yes_price: 48, count: 10) are read too: cents become
 * dollars (text with a point in it is no cents, and left out). `""` and null count as not sent. Of several members for
 * one fact the first one sent decides: dollars before cents, _fp before integer, taker_outcome_side before taker_side.
 * `ts` may be seconds or RFC 3339. The fault is the first of missing key, bad number, bad time, bad text; *ret holds
 * what could be read.
 */
enum kmd_trade_fault kmd_trade_decode(
    struct kmd_json_val msg, struct kmd_arena *arena, struct kmd_trade_execution *ret);

/**
 * Appends a REST trade (an element of GET /markets/trades) as a WebSocket frame of type `trade`:
 * {"type":"trade","msg":{...}} with `ticker` renamed `market_ticker`, every other member verbatim, `ts_ms` and `ts`
 * added from created_time where the element has none. 0 or KMD_EPARSE (no object, no ticker).
 */
int kmd_trade_frame_from_rest(struct kmd_json_val element, struct kmd_buf *out) KMD_MUST_CHECK;

#endif
