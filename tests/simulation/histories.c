#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim_coro.h"
#include "sim_history.h"

/* kmd-histories: tries seeds, one history each, and says which of them break an invariant. */

#define STUCK_S 60 /* of real time for one history */

struct options {
	uint64_t from, count;
	enum sim_mode mode;
	int jobs;
	bool trace, keep_going;
};

/* What the workers share: the next seed to try, and what each is at. */
struct shared {
	_Atomic uint64_t next;
	_Atomic uint64_t failed;
	uint64_t at[64];
};

static struct shared *shared;

static void usage(FILE *to)
{
	fputs("usage: kmd-histories [--seeds FROM:COUNT] [--jobs N] [--mode sink|ingest|both] [--keep-going]\n"
	      "       kmd-histories --seed N [--trace] [--mode ...]\n"
	      "Each seed is one history of the three services among faults. Ends with 1 if one of them broke an "
	      "invariant.\n",
	    to);
}

static bool parse_mode(const char *text, enum sim_mode *ret)
{
	for (int m = 0; m < SIM_MODE_COUNT; m++)
		if (strcmp(text, history_mode_name((enum sim_mode)m)) == 0) {
			*ret = (enum sim_mode)m;
			return true;
		}
	return false;
}

static bool parse(struct options *o, int argc, char **argv)
{
	static const struct option known[] = {
	    {"seeds", required_argument, NULL, 's'},
	    {"seed", required_argument, NULL, 'o'},
	    {"jobs", required_argument, NULL, 'j'},
	    {"mode", required_argument, NULL, 'm'},
	    {"trace", no_argument, NULL, 't'},
	    {"keep-going", no_argument, NULL, 'k'},
	    {NULL, 0, NULL, 0},
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 's':
			o->from = strtoull(optarg, &end, 10);
			o->count = *end == ':' ? strtoull(end + 1, NULL, 10) : 1;
			break;
		case 'o':
			o->from = strtoull(optarg, NULL, 10);
			o->count = 1;
			break;
		case 'j':
			o->jobs = atoi(optarg);
			break;
		case 't':
			o->trace = true;
			break;
		case 'k':
			o->keep_going = true;
			break;
		case 'm':
			if (parse_mode(optarg, &o->mode))
				break;
			return false;
		default:
			return false;
		}
	}
	return optind == argc && o->count > 0 && o->jobs > 0 && o->jobs <= 64;
}

static void tell(const struct options *o, uint64_t seed, const char *why)
{
	char text[1400];
	const int n = snprintf(text, sizeof(text), "seed %llu: %s\n  again: kmd-histories --seed %llu --trace%s%s\n",
	    (unsigned long long)seed, why, (unsigned long long)seed, o->mode < SIM_MODE_COUNT ? " --mode " : "",
	    o->mode < SIM_MODE_COUNT ? history_mode_name(o->mode) : "");

	fflush(stdout);
	if (write(STDOUT_FILENO, text, (size_t)n) < 0)
		return;
}

/* Tries seeds until there are none left. */
static void work(const struct options *o, int worker)
{
	char why[1024];

	for (;;) {
		const uint64_t i = atomic_fetch_add(&shared->next, 1);

		if (i >= o->count || (shared->failed > 0 && !o->keep_going))
			return;
		shared->at[worker] = o->from + i;
		alarm(STUCK_S);
		if (!history_run(o->from + i, o->mode, o->trace, why)) {
			tell(o, o->from + i, why);
			atomic_fetch_add(&shared->failed, 1);
		}
	}
}

static void spawn(const struct options *o, pid_t *pids, int worker)
{
	fflush(stdout);
	pids[worker] = fork();
	if (pids[worker] < 0)
		exit(70);
	if (pids[worker] > 0)
		return;
	work(o, worker);
	coro_free_stacks();
	fflush(stdout);
	exit(0);
}

/* A worker that fell over did so at a seed; another one goes on behind it. */
static void wait_for(const struct options *o, pid_t *pids)
{
	int left = o->jobs, status;
	char why[80];

	while (left > 0) {
		const pid_t pid = wait(&status);
		int worker = 0;

		if (pid < 0 && errno == EINTR)
			continue;
		while (worker < o->jobs && pids[worker] != pid)
			worker++;
		if (worker == o->jobs)
			continue;
		left--;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		snprintf(why, sizeof(why), WIFSIGNALED(status) ? "fell over by signal %d%s" : "ended with %d%s",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		    WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? " (it went round in circles)" : "");
		tell(o, shared->at[worker], why);
		atomic_fetch_add(&shared->failed, 1);
		if (!o->keep_going)
			continue;
		spawn(o, pids, worker);
		left++;
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct options o = {.from = 1, .count = 100, .mode = SIM_MODE_COUNT, .jobs = 1};
	const double began = seconds();
	pid_t pids[64];

	if (!parse(&o, argc, argv)) {
		usage(stderr);
		return 64;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 70;
	for (int i = 0; i < o.jobs; i++)
		spawn(&o, pids, i);
	wait_for(&o, pids);
	printf("%llu histories from seed %llu, %llu broken, %.1f s\n", (unsigned long long)o.count,
	    (unsigned long long)o.from, (unsigned long long)shared->failed, seconds() - began);
	return shared->failed > 0;
}
