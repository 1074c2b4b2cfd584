#include "command.h"

/* Tickers are the exchange's own text and may hold anything. */
static void add_quoted(struct kmd_buf *out, struct kmd_str s)
{
	kmd_buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20)
			kmd_buf_addf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			kmd_buf_addf(out, "\\%c", c);
		else
			kmd_buf_addc(out, (char)c);
	}
	kmd_buf_addc(out, '"');
}

static void add_tickers(struct kmd_buf *out, const struct kmd_str *tickers, size_t n)
{
	kmd_buf_addz(out, "\"market_tickers\":[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			kmd_buf_addc(out, ',');
		add_quoted(out, tickers[i]);
	}
	kmd_buf_addc(out, ']');
}

static void begin(struct kmd_buf *out, int64_t id, const char *cmd)
{
	kmd_buf_addz(out, "{\"id\":");
	kmd_buf_add_i64(out, id);
	kmd_buf_addf(out, ",\"cmd\":\"%s\",\"params\":{", cmd);
}

void ingest_command_subscribe(struct kmd_buf *out, int64_t id, enum ingest_channel channel)
{
	begin(out, id, "subscribe");
	kmd_buf_addf(out, "\"channels\":[\"%s\"]}}", ingest_channel_name(channel));
}

void ingest_command_subscribe_books(struct kmd_buf *out, int64_t id, const struct kmd_str *tickers, size_t n)
{
	begin(out, id, "subscribe");
	kmd_buf_addf(out, "\"channels\":[\"%s\"],\"use_yes_price\":false,\"skip_ticker_ack\":true,",
	    ingest_channel_name(INGEST_CHANNEL_BOOK));
	add_tickers(out, tickers, n);
	kmd_buf_addz(out, "}}");
}

void ingest_command_update(
    struct kmd_buf *out, int64_t id, enum ingest_update action, int64_t sid, const struct kmd_str *tickers, size_t n)
{
	static const char *const actions[] = {"add_markets", "delete_markets", "get_snapshot"};

	begin(out, id, "update_subscription");
	kmd_buf_addf(out, "\"action\":\"%s\",\"sid\":", actions[action]);
	kmd_buf_add_i64(out, sid);
	kmd_buf_addc(out, ',');
	add_tickers(out, tickers, n);
	kmd_buf_addz(out, "}}");
}

void ingest_command_unsubscribe(struct kmd_buf *out, int64_t id, int64_t sid)
{
	begin(out, id, "unsubscribe");
	kmd_buf_addz(out, "\"sids\":[");
	kmd_buf_add_i64(out, sid);
	kmd_buf_addz(out, "]}}");
}
