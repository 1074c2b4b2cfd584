#include <stdio.h>
#include <string.h>

#include "kafka_int.h"

#define ASK_WHILE_DOWN_NS (1 * KMD_NS_PER_S)
#define ASK_WHILE_UP_NS (5 * KMD_NS_PER_S)
#define ASK_MS 5

/* Without librdkafka's " (after 8ms in state APIVERSION_QUERY, 1 identical error(s) suppressed)". */
static void set_why(struct kafka_health *h, const char *text)
{
	const char *end = strstr(text, " (after ");

	snprintf(h->why, sizeof(h->why), "%.*s", (int)(end ? (size_t)(end - text) : strlen(text)), text);
}

/* X509_V_ERR_ of OpenSSL, as old as its ABI. librdkafka's own text names none of them. */
static const char *certificate_text(int fault)
{
	switch (fault) {
	case 9:
		return "it is not valid yet";
	case 10:
		return "it has expired";
	case 2:
	case 18:
	case 19:
	case 20:
	case 21:
		return "its authority is not trusted (ssl.ca.location)";
	case 23:
		return "it was revoked";
	case 62:
	case 64:
		return "it is for another host name";
	default:
		return "it cannot be verified";
	}
}

/* On a thread of librdkafka. Nothing is decided here: what OpenSSL refuses stays refused. */
static int on_certificate(rd_kafka_t *rk, const char *broker, int32_t id, int *fault, int depth, const char *der,
    size_t size, char *text, size_t room, void *opaque)
{
	struct kafka_health *h = opaque;

	(void)rk, (void)broker, (void)id, (void)depth, (void)der, (void)size;
	if (*fault == 0)
		return 1;
	atomic_store(&h->certificate_fault, *fault);
	snprintf(text, room, "%s", certificate_text(*fault));
	return 0;
}

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
	kafka_health_error(opaque, rk, (rd_kafka_resp_err_t)code, text);
}

void kafka_health_watch(struct kafka_health *h, rd_kafka_conf_t *conf)
{
	rd_kafka_conf_set_opaque(conf, h);
	rd_kafka_conf_set_error_cb(conf, on_error);
	(void)rd_kafka_conf_set_ssl_cert_verify_cb(conf, on_certificate);
}

/* @text begins with the broker: "ssl://host:port/id: SSL handshake failed: ... certificate verify failed: ...". */
static void on_tls(struct kafka_health *h, const char *text)
{
	const int fault = atomic_load(&h->certificate_fault);
	const char *end = strstr(text, ": ");

	h->up = false;
	if (fault && end && strstr(end, "certificate verify failed"))
		snprintf(h->why, sizeof(h->why), "%.*s: the broker's certificate is refused: %s", (int)(end - text),
		    text, certificate_text(fault));
	else
		set_why(h, text);
}

void kafka_health_init(struct kafka_health *h)
{
	*h = (struct kafka_health){.checked_ns = kmd_mono_now().ns};
	set_why(h, "not connected yet");
}

static void on_fatal(struct kafka_health *h, rd_kafka_t *rk, const char *text)
{
	char fatal[200];

	h->fatal = true;
	h->up = false;
	set_why(h, rd_kafka_fatal_error(rk, fatal, sizeof(fatal)) ? fatal : text);
}

void kafka_health_error(struct kafka_health *h, rd_kafka_t *rk, rd_kafka_resp_err_t code, const char *text)
{
	if (h->fatal)
		return;
	switch ((int)code) {
	case RD_KAFKA_RESP_ERR__FATAL:
		on_fatal(h, rk, text);
		return;
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
		/* The trouble before it says more. */
		if (h->up || !h->why[0])
			set_why(h, text);
		h->up = false;
		return;
	case RD_KAFKA_RESP_ERR__SSL:
		on_tls(h, text);
		return;
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
		h->up = false;
		set_why(h, text);
		return;
	default:
		set_why(h, text);
	}
}

void kafka_health_good(struct kafka_health *h, struct kmd_mono now)
{
	if (h->fatal)
		return;
	h->up = true;
	h->why[0] = '\0';
	atomic_store(&h->certificate_fault, 0);
	h->checked_ns = now.ns;
}

void kafka_health_check(struct kafka_health *h, rd_kafka_t *rk, struct kmd_mono now)
{
	const struct rd_kafka_metadata *md = NULL;
	rd_kafka_resp_err_t code;

	if (h->fatal || now.ns - h->checked_ns < (h->up ? ASK_WHILE_UP_NS : ASK_WHILE_DOWN_NS))
		return;
	h->checked_ns = now.ns;
	/* No usable broker is _TRANSPORT; one that is up but slower than this question is _TIMED_OUT. */
	code = rd_kafka_metadata(rk, 0, NULL, &md, ASK_MS);
	if (md)
		rd_kafka_metadata_destroy(md);
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR__TIMED_OUT) {
		kafka_health_good(h, now);
		return;
	}
	h->up = false;
	if (!h->why[0])
		set_why(h, rd_kafka_err2str(code));
}

int kafka_rc(rd_kafka_resp_err_t code)
{
	switch ((int)code) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		return 0;
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
		return KMD_EREFUSED;
	case RD_KAFKA_RESP_ERR__FATAL:
		return KMD_EFAULT;
	default:
		return KMD_EAGAIN;
	}
}
