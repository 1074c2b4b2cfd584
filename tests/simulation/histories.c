#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim_coro.h"
#include "sim_fault.h"
#include "sim_history.h"

/* kmd-histories: tries seeds, one history each, and says which of them break an invariant. */

#define STUCK_S 30 /* of processor time for one history */

struct options {
	uint64_t from, count;
	enum sim_mode mode;
	int jobs;
	bool trace, keep_going, twice, all_kinds;
	const char *program;
};

/* What the workers share: the next seed to try, and what each is at. */
struct shared {
	_Atomic uint64_t next;
	_Atomic uint64_t failed;
	uint64_t at[64];
	_Atomic uint64_t modes[SIM_MODE_COUNT], struck[HISTORY_KINDS];
};

static struct shared *shared;

static void usage(FILE *to)
{
	fputs("usage: kmd-histories [--seeds FROM:COUNT] [--jobs N] [--mode sink|ingest|enricher|all] "
	      "[--keep-going]\n"
	      "                     [--twice] [--all-kinds]\n"
	      "       kmd-histories --seed N [--trace] [--mode ...]\n"
	      "Each seed is one history of the services among faults. Ends with 1 if one of them broke an invariant;\n"
	      "--twice: or if it went otherwise when it was tried again; --all-kinds: or if a kind of fault never\n"
	      "struck.\n",
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
	    {"twice", no_argument, NULL, '2'},
	    {"all-kinds", no_argument, NULL, 'a'},
	    {NULL, 0, NULL, 0},
	};
	char *end;
	int c;

	o->program = argv[0];
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
		case '2':
			o->twice = true;
			break;
		case 'a':
			o->all_kinds = true;
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
	const int n = snprintf(text, sizeof(text), "seed %llu: %s\n  again: %s --seed %llu --trace%s%s\n",
	    (unsigned long long)seed, why, o->program, (unsigned long long)seed,
	    o->mode < SIM_MODE_COUNT ? " --mode " : "", o->mode < SIM_MODE_COUNT ? history_mode_name(o->mode) : "");

	fflush(stdout);
	if (write(STDOUT_FILENO, text, (size_t)n) < 0)
		return;
}

static void count(const struct history *h)
{
	atomic_fetch_add(&shared->modes[h->mode], 1);
	for (size_t i = 0; i < HISTORY_KINDS; i++)
		atomic_fetch_add(&shared->struck[i], h->struck[i]);
}

static bool try_seed(const struct options *o, uint64_t seed)
{
	struct history h, again;
	bool good = history_run(seed, o->mode, o->trace, &h);

	count(&h);
	if (!good) {
		tell(o, seed, h.broken);
	} else if (o->twice) {
		history_run(seed, o->mode, false, &again);
		good = again.hash == h.hash;
		if (!good)
			tell(o, seed, "it went otherwise when it was tried again");
	}
	if (o->count == 1)
		printf("hash %016llx\n", (unsigned long long)h.hash);
	return good;
}

/* Tries seeds until there are none left. */
static void work(const struct options *o, int worker)
{
	const struct itimerval stuck = {.it_value = {.tv_sec = STUCK_S}};

	for (;;) {
		const uint64_t i = atomic_fetch_add(&shared->next, 1);

		if (i >= o->count || (shared->failed > 0 && !o->keep_going))
			return;
		shared->at[worker] = o->from + i;
		setitimer(ITIMER_PROF, &stuck, NULL);
		if (!try_seed(o, o->from + i))
			atomic_fetch_add(&shared->failed, 1);
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
	sim_give_memory_back();
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
		    WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF ? " (it went round in circles)" : "");
		tell(o, shared->at[worker], why);
		atomic_fetch_add(&shared->failed, 1);
		if (!o->keep_going)
			continue;
		spawn(o, pids, worker);
		left++;
	}
}

/* What the histories were made of. False: something never struck. */
static bool sum_up(void)
{
	bool all = true;

	for (int m = 0; m < SIM_MODE_COUNT; m++)
		printf("%s%llu of %s", m ? ", " : "histories: ", (unsigned long long)shared->modes[m],
		    history_mode_name((enum sim_mode)m));
	for (size_t i = 0; i < HISTORY_KINDS; i++) {
		printf("%s%s %llu",
		    i == 0                 ? "\nstruck: "
		    : i == SIM_FAULT_COUNT ? "\nhappened: "
					   : ", ",
		    fault_name(i), (unsigned long long)shared->struck[i]);
		all = all && shared->struck[i] > 0;
	}
	putchar('\n');
	return all;
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
	bool all_kinds;

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
	all_kinds = o.count == 1 || sum_up();
	if (o.all_kinds && !all_kinds)
		puts("some kind of fault never struck");
	printf("%llu histories from seed %llu, %llu broken, %.1f s\n", (unsigned long long)o.count,
	    (unsigned long long)o.from, (unsigned long long)shared->failed, seconds() - began);
	return shared->failed > 0 || (o.all_kinds && !all_kinds);
}
