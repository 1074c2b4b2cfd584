#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "kafka_int.h"
#include "kmd_left.h"
#include "kmd_mem.h"

/*
 * librdkafka waits for all its threads, and one of them may hang: in a look-up of a name, in a topic that was deleted,
 * in a commit whose broker is silent.
 */
#define END_S 3

struct ending {
	rd_kafka_t *rk;
	void (*after)(void *arg);
	void *arg;
};

static void *end(void *arg)
{
	struct ending *e = arg;

	rd_kafka_destroy_flags(e->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	e->after(e->arg);
	free(e);
	return NULL;
}

void kafka_client_end(rd_kafka_t *rk, void (*after)(void *arg), void *arg)
{
	struct ending *e = kmd_alloc(sizeof(*e));
	struct timespec until;
	pthread_t thread;

	*e = (struct ending){rk, after, arg};
	if (pthread_create(&thread, NULL, end, e) != 0) {
		end(e);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_S;
	if (pthread_timedjoin_np(thread, NULL, &until) == 0)
		return;
	kmd_left_note();
	pthread_detach(thread);
}
