#include "sim_history.h"

#include <stdio.h>
#include <string.h>

#include "sim_check.h"
#include "sim_coro.h"
#include "sim_exchange.h"
#include "sim_fault.h"
#include "sim_script.h"
#include "sim_service.h"

#define SETTLE_NS (3600 * SIM_S)              /* what is not well so long after the last fault will not be */
#define BEGAN_NS INT64_C(1795341600000000000) /* 2026-11-22T10:00:00Z, about */

const char *history_mode_name(enum sim_mode mode)
{
	static const char *const names[SIM_MODE_COUNT] = {"sink", "ingest", "enricher", "all"};

	return mode < SIM_MODE_COUNT ? names[mode] : "any";
}

static bool has_sink(void)
{
	return sim->mode == SIM_SINK || sim->mode == SIM_ALL;
}

static bool has_enricher(void)
{
	return sim->mode == SIM_ENRICHER || sim->mode == SIM_ALL;
}

static bool has_ingest(void)
{
	return sim->mode != SIM_SINK;
}

static bool is_done(void)
{
	return (!has_ingest() || check_ingest_done()) && (!has_enricher() || check_enricher_done()) &&
	       (!has_sink() || check_sink_done());
}

static void open_world(void)
{
	broker_open();
	database_open();
	check_sink_open();
	check_enricher_open();
	if (sim->mode != SIM_SINK)
		exchange_open();
	fault_open();
	if (sim->mode == SIM_SINK)
		script_open();
}

static void live(void)
{
	open_world();
	sim_run(sim->heal_ns + 10 * SIM_S, NULL);
	fault_heal();
	sim_trace("healed");
	sim_run(sim->heal_ns + 30 * SIM_S, NULL);
	if (has_ingest())
		exchange_quiet();
	sim_run(sim->heal_ns + SETTLE_NS, is_done);
	if (has_ingest())
		check_ingest_end();
	if (has_enricher())
		check_enricher_end();
	if (has_sink())
		check_sink_end();
}

static void close_world(void)
{
	for (struct proc *p = sim->procs; p; p = proc_next(p))
		proc_bury(p);
	heap_free_all(&sim->heap);
	sim_free_all();
}

bool history_run(uint64_t seed, enum sim_mode mode, bool tracing, struct history *ret)
{
	struct sim world = {.seed = seed, .rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1, .tracing = tracing};

	sim = &world;
	heap_use(&world.heap);
	world.mode = mode == SIM_MODE_COUNT ? (enum sim_mode)sim_below(SIM_MODE_COUNT) : mode;
	world.began_ns = world.now_ns = BEGAN_NS + sim_between(0, 86400 * SIM_S);
	world.heal_ns = world.began_ns + sim_between(10, 90) * SIM_S;
	if (setjmp(world.failed_jmp) == 0)
		live();
	world.cur = NULL;
	heap_use(&world.heap);
	if (tracing)
		fault_report();
	close_world();
	heap_use(NULL);
	*ret = (struct history){.mode = world.mode, .hash = world.hash};
	snprintf(ret->broken, sizeof(ret->broken), "%s", world.failed ? world.failure : "");
	memcpy(ret->struck, world.hits, sizeof(world.hits));
	memcpy(ret->struck + SIM_FAULT_COUNT, world.happened, sizeof(world.happened));
	sim = NULL;
	return !world.failed;
}
