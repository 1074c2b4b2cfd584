#include "kmd_producer.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kafka_int.h"
#include "kmd_kafka_metrics.h"
#include "kmd_mem.h"
#include "kmd_time.h"
#include "producer_hold.h"
#include "producer_record.h"

/* A poll that waits looks after held topics so often. */
#define HELD_POLL_MS 20

struct kmd_producer {
	struct kafka_health health;
	rd_kafka_t *rk;
	rd_kafka_queue_t *main_queue;
	rd_kafka_topic_t *rkt[KMD_TOPIC_COUNT];
	struct hold hold[KMD_TOPIC_COUNT];
	struct records records;
	struct record *all; /* outstanding, newest first */
	uint64_t count, seq, rng;
	int64_t bytes, queue_bytes;
	int reported; /* since the poll began */
	bool closing;
	int fd;
	struct kmd_kafka_metrics *metrics; /* NULL: nobody asks */
	const char *trouble;               /* why records of a held topic came back, static */
	kmd_delivery_fn fn;
	void *ctx;
};

/* Hands a record to librdkafka, which borrows its bytes until the delivery report. */
static rd_kafka_resp_err_t enqueue(struct kmd_producer *p, struct record *r)
{
	rd_kafka_headers_t *headers = producer_record_headers(r);
	rd_kafka_vu_t vus[] = {
	    {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = p->rkt[r->topic]},
	    {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = (void *)(uintptr_t)r->key.p, .size = r->key.n}},
	    {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = (void *)(uintptr_t)r->value.p, .size = r->value.n}},
	    {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = r->timestamp_ms},
	    {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = r},
	    {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
	};
	rd_kafka_error_t *error = rd_kafka_produceva(p->rk, vus, sizeof(vus) / sizeof(vus[0]) - (headers ? 0 : 1));
	rd_kafka_resp_err_t code;

	if (!error) {
		hold_sent(&p->hold[r->topic]);
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	}
	code = rd_kafka_error_code(error);
	rd_kafka_error_destroy(error);
	if (headers)
		rd_kafka_headers_destroy(headers);
	return code;
}

static void link_record(struct kmd_producer *p, struct record *r)
{
	r->prev = NULL;
	r->next = p->all;
	if (r->next)
		r->next->prev = r;
	p->all = r;
	p->count++;
	p->bytes += (int64_t)r->bytes;
}

static void drop_record(struct kmd_producer *p, struct record *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		p->all = r->next;
	if (r->next)
		r->next->prev = r->prev;
	p->count--;
	p->bytes -= (int64_t)r->bytes;
	records_put(&p->records, r);
}

static void report(struct kmd_producer *p, struct record *r, int rc, const char *reason)
{
	struct kmd_delivery d = {.ref = r->ref, .topic = r->topic, .rc = rc, .reason = reason, .value = r->value};
	struct kmd_header *headers = NULL;

	p->reported++;
	if (rc < 0) {
		headers = kmd_calloc(r->headers_count + 1, sizeof(*headers));
		producer_record_show_headers(r, headers);
		d.key = r->key;
		d.headers = headers;
		d.headers_count = r->headers_count;
	}
	if (!p->closing)
		p->fn(p->ctx, &d);
	free(headers);
	drop_record(p, r);
}

/* Is it the record, or one beside it in the batch, that the broker will never take? */
static enum hold_fault fault_of(rd_kafka_resp_err_t code)
{
	switch ((int)code) {
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_MSG:
	case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
	case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
	case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
		return HOLD_REFUSED;
	default:
		return HOLD_TROUBLE;
	}
}

static int refusal_rc(rd_kafka_resp_err_t code)
{
	return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE
		   ? KMD_ETOOBIG
		   : KMD_EREFUSED;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct kmd_producer *p = opaque;
	struct record *r = m->_private;
	struct hold *h = &p->hold[r->topic];

	(void)rk;
	if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		hold_done(h);
		report(p, r, 0, NULL);
		return;
	}
	if (p->closing) {
		hold_done(h);
		drop_record(p, r);
		return;
	}
	if (hold_failed(h, fault_of(m->err), r->seq, r))
		report(p, r, refusal_rc(m->err), rd_kafka_err2str(m->err));
	else
		p->trouble = rd_kafka_err2str(m->err);
}

static void set_kbytes(rd_kafka_conf_t *conf, int64_t queue_bytes)
{
	/* The bound is ours, over all that a record holds; librdkafka's must never be the lower one. */
	int64_t kbytes = (queue_bytes + KAFKA_MESSAGE_MAX) / 1024 + 1;
	char text[24];

	if (kbytes > INT32_MAX)
		kbytes = INT32_MAX;
	snprintf(text, sizeof(text), "%lld", (long long)kbytes);
	kafka_conf_force(conf, "queue.buffering.max.kbytes", text);
}

static void open_topics(struct kmd_producer *p, const struct kmd_kafka *k)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		char name[KAFKA_NAME_MAX];

		kmd_kafka_topic_name(k, (enum kmd_topic)t, name);
		p->rkt[t] = rd_kafka_topic_new(p->rk, name, NULL);
		hold_init(&p->hold[t]);
	}
}

static void watch(struct kmd_producer *p)
{
	const uint64_t one = 1;

	p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->main_queue = rd_kafka_queue_get_main(p->rk);
	rd_kafka_queue_io_event_enable(p->main_queue, p->fd, &one, sizeof(one));
}

static int on_stats(rd_kafka_t *rk, char *json, size_t n, void *opaque)
{
	struct kmd_producer *p = opaque;

	(void)rk;
	if (p->metrics)
		kmd_kafka_metrics_take(p->metrics, (struct kmd_str){json, n});
	return 0; /* librdkafka frees it */
}

int kmd_producer_new(struct kmd_producer **ret, const struct kmd_kafka *k, int64_t queue_bytes, kmd_delivery_fn fn,
    void *ctx, struct kmd_err *err)
{
	rd_kafka_conf_t *conf = kafka_conf_new(k, KAFKA_PRODUCER, err);
	struct kmd_producer *p;
	int rc;

	if (!conf)
		return KMD_ECONFIG;
	p = kmd_calloc(1, sizeof(*p));
	p->queue_bytes = queue_bytes;
	p->rng = (uint64_t)kmd_mono_now().ns ^ (uintptr_t)p;
	p->fn = fn;
	p->ctx = ctx;
	p->metrics = k->producer_metrics;
	static_assert(offsetof(struct kmd_producer, health) == 0, "the opaque of all callbacks");
	kafka_health_init(&p->health);
	set_kbytes(conf, queue_bytes);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	kafka_health_watch(&p->health, conf);
	rd_kafka_conf_set_stats_cb(conf, on_stats);
	rc = kafka_client_new(&p->rk, k, KAFKA_PRODUCER, conf, err);
	if (rc < 0) {
		free(p);
		return rc;
	}
	open_topics(p, k);
	watch(p);
	*ret = p;
	return 0;
}

/* The client is gone, and with it everybody who borrowed these. */
static void free_rest(void *arg)
{
	struct kmd_producer *p = arg;

	while (p->all)
		drop_record(p, p->all);
	records_fini(&p->records);
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		hold_fini(&p->hold[t]);
	close(p->fd);
	free(p);
}

void kmd_producer_free(struct kmd_producer *p)
{
	if (!p)
		return;
	p->closing = true;
	rd_kafka_queue_io_event_enable(p->main_queue, -1, NULL, 0);
	rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	rd_kafka_poll(p->rk, 0);
	rd_kafka_queue_destroy(p->main_queue);
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		rd_kafka_topic_destroy(p->rkt[t]);
	kafka_client_end(p->rk, free_rest, p);
}

/* What became of a record that librdkafka did not take. */
static int not_taken(struct kmd_producer *p, struct record *r, rd_kafka_resp_err_t code)
{
	switch ((int)code) {
	case RD_KAFKA_RESP_ERR__QUEUE_FULL:
		drop_record(p, r);
		return KMD_EAGAIN;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
		drop_record(p, r);
		return KMD_ETOOBIG;
	case RD_KAFKA_RESP_ERR__FATAL:
		drop_record(p, r);
		return KMD_EFAULT;
	default:
		p->trouble = rd_kafka_err2str(code);
		hold_not_taken(&p->hold[r->topic], r->seq, r);
		return 0;
	}
}

int kmd_producer_send(struct kmd_producer *p, enum kmd_topic topic, struct kmd_str key, struct kmd_str value,
    const struct kmd_header *headers, size_t headers_count, int64_t timestamp_ms, uint64_t ref)
{
	const size_t bytes = producer_record_bytes(key, value, headers, headers_count);
	rd_kafka_resp_err_t code;
	struct record *r;

	if (p->health.fatal)
		return KMD_EFAULT;
	if (bytes > KAFKA_MESSAGE_MAX)
		return KMD_ETOOBIG;
	if (p->count > 0 && p->bytes + (int64_t)bytes > p->queue_bytes)
		return KMD_EAGAIN;
	r = records_take(&p->records, bytes, key, value, headers, headers_count);
	r->ref = ref;
	r->seq = ++p->seq;
	r->topic = topic;
	r->timestamp_ms = timestamp_ms;
	link_record(p, r);
	if (hold_is_held(&p->hold[topic])) {
		hold_push(&p->hold[topic], r->seq, r);
		return 0;
	}
	code = enqueue(p, r);
	return code == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : not_taken(p, r, code);
}

/* Metadata of a topic that had trouble is asked for again; the answer may come after this returns. */
static void refresh(struct kmd_producer *p, enum kmd_topic topic)
{
	const struct rd_kafka_metadata *md = NULL;

	if (rd_kafka_metadata(p->rk, 0, p->rkt[topic], &md, 5) == RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_metadata_destroy(md);
}

static void resend(struct kmd_producer *p, enum kmd_topic topic, struct kmd_mono now)
{
	struct hold *h = &p->hold[topic];
	size_t n;

	if (!hold_is_held(h) || p->health.fatal)
		return;
	n = hold_round(h, now.ns, &p->rng);
	if (n > 0)
		refresh(p, topic);
	while (n-- > 0) {
		const struct hold_item item = hold_take(h);
		struct record *r = item.record;
		const rd_kafka_resp_err_t code = enqueue(p, r);

		if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
			continue;
		if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
			report(p, r, KMD_ETOOBIG, rd_kafka_err2str(code));
			continue;
		}
		p->trouble = rd_kafka_err2str(code);
		hold_not_taken(h, item.seq, r);
		return;
	}
}

static bool serve_held(struct kmd_producer *p, struct kmd_mono now)
{
	bool any = false;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		resend(p, (enum kmd_topic)t, now);
		any |= hold_is_held(&p->hold[t]);
	}
	return any;
}

static void drain_fd(struct kmd_producer *p)
{
	uint64_t n;

	if (read(p->fd, &n, sizeof(n)) < 0)
		return; /* nothing was signalled */
}

int kmd_producer_poll(struct kmd_producer *p, int timeout_ms)
{
	struct kmd_mono now = kmd_mono_now();
	const int64_t deadline_ns = now.ns + timeout_ms * KMD_NS_PER_MS;
	int reported;

	drain_fd(p);
	p->reported = 0;
	for (;;) {
		const bool held = serve_held(p, now);
		const int left_ms = (int)((deadline_ns - now.ns) / KMD_NS_PER_MS);

		rd_kafka_poll(p->rk, held && left_ms > HELD_POLL_MS ? HELD_POLL_MS : left_ms > 0 ? left_ms : 0);
		now = kmd_mono_now();
		if (p->reported > 0 || p->health.fatal || now.ns >= deadline_ns)
			break;
	}
	reported = p->reported;
	if (reported > 0)
		kafka_health_good(&p->health, now);
	else
		kafka_health_check(&p->health, p->rk, now);
	return reported;
}

bool kmd_producer_flush(struct kmd_producer *p, int timeout_ms)
{
	const int64_t deadline_ns = kmd_mono_now().ns + timeout_ms * KMD_NS_PER_MS;

	while (p->count > 0 && !p->health.fatal) {
		const int64_t left_ns = deadline_ns - kmd_mono_now().ns;

		if (left_ns <= 0)
			break;
		kmd_producer_poll(p, left_ns < HELD_POLL_MS * KMD_NS_PER_MS ? 1 : HELD_POLL_MS);
	}
	return p->count == 0;
}

uint64_t kmd_producer_outstanding(const struct kmd_producer *p, uint64_t *ret_bytes)
{
	if (ret_bytes)
		*ret_bytes = (uint64_t)p->bytes;
	return p->count;
}

void kmd_producer_each(struct kmd_producer *p, kmd_outstanding_fn fn, void *ctx)
{
	struct kmd_header *headers = NULL;
	struct record *r = p->all;

	while (r && r->next)
		r = r->next;
	for (; r; r = r->prev) {
		headers = kmd_realloc(headers, (r->headers_count + 1) * sizeof(*headers));
		producer_record_show_headers(r, headers);
		const struct kmd_outstanding o = {
		    .topic = r->topic,
		    .key = r->key,
		    .value = r->value,
		    .headers = headers,
		    .headers_count = r->headers_count,
		    .timestamp_ms = r->timestamp_ms,
		};
		fn(ctx, &o, &r->ref);
	}
	free(headers);
}

int kmd_producer_fd(const struct kmd_producer *p)
{
	return p->fd;
}

bool kmd_producer_fatal(const struct kmd_producer *p, const char **ret_why)
{
	if (p->health.fatal && ret_why)
		*ret_why = p->health.why;
	return p->health.fatal;
}

static bool any_in_trouble(const struct kmd_producer *p)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		if (hold_in_trouble(&p->hold[t]))
			return true;
	return false;
}

bool kmd_producer_connected(const struct kmd_producer *p, const char **ret_why)
{
	const bool trouble = any_in_trouble(p);

	if (ret_why && !p->health.up)
		*ret_why = p->health.why;
	else if (ret_why && trouble)
		*ret_why = p->trouble;
	return p->health.up && !trouble;
}
