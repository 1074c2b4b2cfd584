#include <stdio.h>
#include <stdlib.h>

#include "kmd_kafka.h"
#include "kmd_mem.h"
#include "sim_broker.h"
#include "sim_coro.h"
#include "sim_proc.h"

/* kmd_kafka.h against the simulated broker, whose topics are there from the beginning. */

int kmd_kafka_check(const struct kmd_kafka *k, struct kmd_err *err)
{
	(void)k;
	(void)err;
	return 0;
}

void kmd_kafka_topic_name(const struct kmd_kafka *k, enum kmd_topic t, char ret[256])
{
	(void)k;
	snprintf(ret, 256, "%s%s", BROKER_PREFIX, kmd_topic_name(t));
}

int kmd_kafka_ensure_topics(const struct kmd_kafka *k, unsigned mask, int timeout_ms, struct kmd_err *err)
{
	(void)k;
	(void)mask;
	proc_point();
	if (broker_is_up())
		return 0;
	coro_sleep(sim->now_ns + timeout_ms * SIM_MS, k);
	return kmd_err_set(err, KMD_EAGAIN, "broker away");
}
