#include <stdio.h>
#include <string.h>

#include "kafka_int.h"

#define ASK_WHILE_DOWN_NS (1 * KMD_NS_PER_S)
#define ASK_WHILE_UP_NS (5 * KMD_NS_PER_S)
#define ASK_MS 5

static void set_why(struct kafka_health *h, const char *text)
{
	snprintf(h->why, sizeof(h->why), "%s", text);
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
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR__SSL:
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
