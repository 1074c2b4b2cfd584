#ifndef KMD_KAFKA_INT_H
#define KMD_KAFKA_INT_H

#include <stdatomic.h>

#include <librdkafka/rdkafka.h>

#include "kmd_kafka.h"
#include "kmd_time.h"

/* Behind the headers of this folder: librdkafka's configuration and the health of one client. */

enum kafka_role { KAFKA_PRODUCER, KAFKA_GROUP, KAFKA_READER, KAFKA_ADMIN };

/* A largest value with its key, its headers and the framing of a batch around it. */
#define KAFKA_MESSAGE_MAX (KMD_KAFKA_VALUE_MAX + 1024 * 1024)
/* Topic names, prefix included; Kafka's own limit is 249. */
#define KAFKA_NAME_MAX 256

/**
 * Our defaults, then the user's KAFKA_ properties, then what the guarantee rests on. Given. NULL with KMD_ECONFIG's
 * text in @err when a property is unknown, invalid, or ours alone.
 */
rd_kafka_conf_t *kafka_conf_new(const struct kmd_kafka *k, enum kafka_role role, struct kmd_err *err);
/** Sets one property; the caller knows that it exists and fits (asserted). */
void kafka_conf_force(rd_kafka_conf_t *conf, const char *name, const char *value);
/** A client with @conf (taken). KMD_ECONFIG with the setting's name where the text tells it. */
int kafka_client_new(rd_kafka_t **ret, const struct kmd_kafka *k, enum kafka_role role, rd_kafka_conf_t *conf,
    struct kmd_err *err) KMD_MUST_CHECK;
/**
 * Ends @rk (taken; a consumer has left its group before). Blocks: at most 3 s; what has not ended then is left behind
 * (kmd_left.h) and waited for on a thread of its own. @after(@arg) is called when nothing of the client runs any more,
 * on some thread, perhaps never: it frees what the client's callbacks use.
 */
void kafka_client_end(rd_kafka_t *rk, void (*after)(void *arg), void *arg);
/** Text of the first KAFKA_ property that breaks a rule of ours, into @err; 0 or KMD_ECONFIG. Pure. */
int kafka_conf_refused(const struct kmd_kafka *k, struct kmd_err *err) KMD_MUST_CHECK;
/** librdkafka's spelling of a property: @name with dots, or with underscores where those are its own. False: unknown.
 */
bool kafka_conf_spelling(const char *name, char ret[128]);

/*
 * Is a broker up? The error callback tells when all went away; nothing tells when one is back, so health asks, at most
 * once a second while down and every few seconds while up. Thread: the client's owner.
 */
struct kafka_health {
	_Atomic int certificate_fault; /* X509_V_ERR_ of the certificate refused last, 0: none; set by any thread */
	bool up;
	bool fatal;
	int64_t checked_ns; /* monotonic, of the last question or success */
	char why[256];      /* last trouble; "" none */
};
void kafka_health_init(struct kafka_health *h);
/** Sets what librdkafka tells of its trouble, before the client is made. @h becomes the opaque of all its callbacks, so
 * it stands first in its owner, which lives as long as the client (kafka_client_end). */
void kafka_health_watch(struct kafka_health *h, rd_kafka_conf_t *conf);
/** An error that was told. */
void kafka_health_error(struct kafka_health *h, rd_kafka_t *rk, rd_kafka_resp_err_t code, const char *text);
/** Something was answered by a broker. */
void kafka_health_good(struct kafka_health *h, struct kmd_mono now);
/** Asks when it is time to; blocks no longer than a few ms. */
void kafka_health_check(struct kafka_health *h, rd_kafka_t *rk, struct kmd_mono now);

/** The topic whose full name is @name; false if it is none of ours. */
bool kafka_topic_find(const char *prefix, const char *name, enum kmd_topic *ret);
/** An error of the broker, as a code of ours for a call that asked it something. */
int kafka_rc(rd_kafka_resp_err_t code);

#endif
