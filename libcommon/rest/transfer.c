#include "rest_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kmd_mem.h"

#define CONNECT_MS 10000L

static size_t on_body(char *p, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	size_t n = size * count;

	if (n > KMD_REST_BODY_MAX - t->body.n) {
		t->too_big = true;
		return 0;
	}
	t->received = kmd_wall_now();
	kmd_buf_add(&t->body, p, n);
	return n;
}

static void read_date(struct transfer *t, const char *p, size_t n)
{
	char text[64];

	if (n >= sizeof(text))
		return;
	memcpy(text, p, n);
	text[n] = '\0';
	time_t date = curl_getdate(text, NULL);
	t->has_date = date != (time_t)-1;
	t->date_s = date;
}

static size_t on_header(char *p, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	static const char date[] = "date:";
	const size_t skip = sizeof(date) - 1;
	size_t n = size * count;

	t->received = kmd_wall_now();
	if (n > skip && strncasecmp(p, date, skip) == 0)
		read_date(t, p + skip, n - skip);
	return n;
}

static void add_header(struct transfer *t, const char *name, const char *value)
{
	struct kmd_buf line = {0};

	kmd_buf_addf(&line, "%s: %s", name, value);
	kmd_buf_addc(&line, '\0');
	t->headers = curl_slist_append(t->headers, line.p);
	kmd_buf_fini(&line);
}

static void choose_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

static void choose_trust(CURL *easy, const struct transfer_options *o)
{
	struct curl_blob blob = {(void *)o->extra_ca.p, o->extra_ca.n, CURL_BLOB_NOCOPY};

	curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (o->extra_ca.p)
		curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
}

static void choose_times(CURL *easy, const struct transfer_options *o)
{
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
	curl_easy_setopt(
	    easy, CURLOPT_CONNECTTIMEOUT_MS, o->timeout_ms < CONNECT_MS ? (long)o->timeout_ms : CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
}

static void take_answer(struct transfer *t)
{
	curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->reason);
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
}

struct transfer *transfer_new(const char *url, const struct kmd_sign_headers *sign, const struct transfer_options *o)
{
	struct transfer *t = kmd_calloc(1, sizeof(*t));

	t->easy = curl_easy_init();
	if (!t->easy)
		abort(); /* no memory, as in kmd_alloc */
	if (sign) {
		add_header(t, "KALSHI-ACCESS-KEY", sign->key);
		add_header(t, "KALSHI-ACCESS-TIMESTAMP", sign->timestamp);
		add_header(t, "KALSHI-ACCESS-SIGNATURE", sign->signature);
	}
	curl_easy_setopt(t->easy, CURLOPT_URL, url);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "kmd/" KMD_VERSION);
	curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
	if (o->loopback)
		curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
	choose_protocols(t->easy);
	choose_trust(t->easy, o);
	choose_times(t->easy, o);
	take_answer(t);
	return t;
}

void transfer_free(struct transfer *t)
{
	if (!t)
		return;
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	kmd_buf_fini(&t->body);
	free(t);
}

static int rc_of(const struct transfer *t, CURLcode code)
{
	if (code == CURLE_OK)
		return 0;
	if (t->too_big)
		return KMD_ETOOBIG;
	return code == CURLE_OPERATION_TIMEDOUT ? KMD_ETIMEOUT : KMD_EAGAIN;
}

static const char *reason_of(const struct transfer *t, CURLcode code)
{
	if (code == CURLE_OK)
		return "";
	if (t->too_big)
		return "the answer's body is too large";
	return t->reason[0] ? t->reason : curl_easy_strerror(code);
}

struct kmd_rest_answer transfer_answer(struct transfer *t, CURLcode code)
{
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (t->received.ns == 0)
		t->received = kmd_wall_now();
	return (struct kmd_rest_answer){
	    .ref = t->ref,
	    .rc = rc_of(t, code),
	    .status = (int)status,
	    .body = {t->body.p ? t->body.p : "", t->body.n},
	    .received = t->received,
	    .has_date = t->has_date,
	    .clock_offset_ms = t->has_date ? t->date_s * 1000 - t->received.ns / KMD_NS_PER_MS : 0,
	    .reason = reason_of(t, code),
	};
}
