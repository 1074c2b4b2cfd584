#include "sim_fault.h"

#include <stdio.h>

#include "sim_broker.h"
#include "sim_database.h"
#include "sim_service.h"

#define PLACES_MAX 8

/* A place for an instance of a program: who dies there is followed by another. */
struct place {
	const struct proc_program *program;
	struct proc *proc;
	int number;
	bool wanted; /* scaled down places are empty */
};

static struct place places[PLACES_MAX];
static size_t places_count;

static const char *const names[SIM_FAULT_COUNT] = {
#define SIM_FAULT_NAME(name) #name,
    SIM_FAULTS(SIM_FAULT_NAME)
#undef SIM_FAULT_NAME
};

static const char *const happenings[SIM_HAPPENING_COUNT] = {
#define SIM_HAPPENING_NAME(name) #name,
    SIM_EVENTS(SIM_HAPPENING_NAME)
#undef SIM_HAPPENING_NAME
};

const char *fault_name(size_t kind)
{
	return kind < SIM_FAULT_COUNT ? names[kind] : happenings[kind - SIM_FAULT_COUNT];
}

/* In permille of the occasion, at most; most histories have a few faults, some have many. */
static const unsigned most[SIM_FAULT_COUNT] = {
    [SIM_FAULT_crash] = 2,
    [SIM_FAULT_freeze] = 1,
    [SIM_FAULT_drop] = 10,
    [SIM_FAULT_repeat] = 10,
    [SIM_FAULT_cut] = 60,
    [SIM_FAULT_silent] = 20,
    [SIM_FAULT_terminal] = 20,
    [SIM_FAULT_command] = 100,
    [SIM_FAULT_unanswered] = 100,
    [SIM_FAULT_late_reply] = 500,
    [SIM_FAULT_dial] = 300,
    [SIM_FAULT_refuse] = 5,
    [SIM_FAULT_broker_down] = 30,
    [SIM_FAULT_commit_lost] = 200,
    [SIM_FAULT_pg_cut] = 5,
    [SIM_FAULT_pg_commit_cut] = 100,
    [SIM_FAULT_pg_error] = 20,
    [SIM_FAULT_pg_down] = 30,
    [SIM_FAULT_poison] = 30,
    [SIM_FAULT_rest_empty] = 300,
    [SIM_FAULT_rest_stale] = 500,
    [SIM_FAULT_rest_error] = 200,
    [SIM_FAULT_rest_throttle] = 100,
    [SIM_FAULT_rest_locked] = 30,
    [SIM_FAULT_rest_garbage] = 100,
    [SIM_FAULT_rest_lost] = 100,
    [SIM_FAULT_stop] = 20,
    [SIM_FAULT_scale] = 30,
};

static void choose(void)
{
	const unsigned share = (unsigned)sim_between(100, 700);

	for (int f = 0; f < SIM_FAULT_COUNT; f++)
		sim->fault[f] = sim_chance(share) ? (unsigned)sim_between(1, most[f] ? most[f] : 1) : 0;
}

static void fill(struct place *p)
{
	p->proc = proc_start(p->program, p->number);
}

static void add_place(const struct proc_program *program, int number)
{
	places[places_count] = (struct place){program, NULL, number, true};
	fill(&places[places_count++]);
}

/* A process that ended by itself had a reason: it was told to, or the history is over. */
static void look_at_end(const struct proc *p)
{
	const int code = proc_exit_code(p);

	SIM_CHECK(code < 0 || proc_is_stopping(p), "%s ended by itself with %d", proc_name(p), code);
	SIM_CHECK(code < 0 || code == KMD_EXIT_OK || code == KMD_EXIT_SOFTWARE, "%s ended with %d", proc_name(p), code);
}

static void look_at_place(struct place *p)
{
	if (proc_is_alive(p->proc))
		return;
	look_at_end(p->proc);
	if (p->wanted && (sim_healed() || sim_chance(300)))
		fill(p);
}

static void disturb(struct place *p)
{
	if (!proc_is_alive(p->proc))
		return;
	if (sim_chance(sim->fault[SIM_FAULT_crash] ? 20 : 0)) {
		sim->hits[SIM_FAULT_crash]++;
		proc_kill(p->proc);
	} else if (sim_chance(sim->fault[SIM_FAULT_freeze] ? 20 : 0))
		proc_freeze(p->proc, sim_between(SIM_S, 30 * SIM_S));
	else if (sim_strikes(SIM_FAULT_stop))
		proc_stop(p->proc);
}

static void scale(struct place *p)
{
	if (!sim_strikes(SIM_FAULT_scale))
		return;
	p->wanted = !p->wanted;
	if (!p->wanted)
		proc_stop(p->proc);
}

static void on_turn(void *ctx, uint64_t arg)
{
	for (size_t i = 0; i < places_count; i++) {
		look_at_place(&places[i]);
		if (sim_healed())
			continue;
		disturb(&places[i]);
		if (places[i].number > 1)
			scale(&places[i]);
	}
	if (broker_is_up() && sim_strikes(SIM_FAULT_broker_down))
		broker_outage(sim_between(100 * SIM_MS, 30 * SIM_S));
	if (database_is_up() && sim_strikes(SIM_FAULT_pg_down))
		database_outage(sim_between(0, 20 * SIM_S));
	sim_after(sim_between(100 * SIM_MS, 900 * SIM_MS), on_turn, ctx, arg);
}

void fault_open(void)
{
	places_count = 0;
	choose();
	if (sim->mode != SIM_SINK)
		add_place(service_ingest(), 1);
	if (sim->mode == SIM_ENRICHER || sim->mode == SIM_ALL)
		for (int i = 1, n = (int)sim_between(1, 2); i <= n; i++)
			add_place(service_enricher(), i);
	if (sim->mode == SIM_SINK || sim->mode == SIM_ALL)
		for (int i = 1, n = (int)sim_between(1, 3); i <= n; i++)
			add_place(service_sink(), i);
	sim_after(SIM_S, on_turn, sim, 0);
}

void fault_heal(void)
{
	for (size_t i = 0; i < places_count; i++) {
		places[i].wanted = true;
		look_at_place(&places[i]);
	}
}

void fault_report(void)
{
	for (int f = 0; f < SIM_FAULT_COUNT; f++)
		if (sim->fault[f])
			printf("fault %-16s %3u permille, struck %llu times\n", names[f], sim->fault[f],
			    (unsigned long long)sim->hits[f]);
}
