#include "sim_proc.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kmd_log.h"
#include "sim_coro.h"
#include "sim_world.h"

#define COROS_MAX 12

/* What the programs know as their app: readiness and metrics. */
struct kmd_app {
	struct kmd_metrics *metrics;
	int exit_code;
};

struct proc {
	struct proc *next;
	const struct proc_program *program;
	int number;
	char name[24];
	struct heap heap;
	struct kmd_app app;
	void *service;
	struct coro *coros[COROS_MAX];
	size_t coros_count;
	struct proc_link *links;
	int64_t boot_ns; /* its monotonic clock began then */
	int64_t skew_ns; /* its wall clock minus the world's */
	int64_t frozen_ns;
	bool ended, dying, stopping;
	int exit_code;
	int64_t drain_until_ns;
};

struct kmd_metrics *kmd_app_metrics(struct kmd_app *app)
{
	return app->metrics;
}

void kmd_app_ready(struct kmd_app *app, const char *condition, bool ok, const char *why)
{
	(void)app;
	(void)condition;
	(void)ok;
	(void)why;
}

void kmd_app_fail(struct kmd_app *app, int exit_code, const char *fmt, ...)
{
	char text[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	app->exit_code = exit_code;
	sim_trace("fails with %d: %s", exit_code, text);
}

static struct kmd_tick tick_of(const struct proc *p)
{
	return (struct kmd_tick){
	    .mono = {proc_mono_ns(p)},
	    .wall = {proc_wall_ns(p)},
	    .phase = p->stopping ? KMD_PHASE_DRAIN : KMD_PHASE_RUN,
	    .deadline = {p->stopping ? p->drain_until_ns - p->boot_ns : 0},
	};
}

static void begin_drain(struct proc *p)
{
	p->stopping = true;
	p->drain_until_ns = sim->now_ns + p->program->shutdown_timeout_ns;
}

/* The loop of kmd_app_main. */
static void turn(struct proc *p)
{
	for (;;) {
		const struct kmd_tick tick = tick_of(p);
		const enum kmd_verdict v = p->program->step(p->service, &tick);

		if (v == KMD_APP_FATAL && !p->stopping) {
			if (p->app.exit_code == 0)
				p->app.exit_code = KMD_EXIT_SOFTWARE;
			begin_drain(p);
		}
		if (p->stopping && (v == KMD_APP_DONE || sim->now_ns >= p->drain_until_ns))
			return;
		coro_sleep(sim->now_ns + sim_between(p->program->pause_ns / 4, p->program->pause_ns), p);
	}
}

static void *life(void *arg)
{
	struct proc *p = arg;
	struct kmd_err err = {0};
	bool clean;

	p->app.metrics = kmd_metrics_new();
	if (p->program->init(&p->app, p->program->settings, NULL, &p->service, &err) < 0)
		sim_fail("%s does not start: %s", p->name, err.text);
	turn(p);
	clean = p->program->fini(p->service);
	p->service = NULL;
	kmd_metrics_free(p->app.metrics);
	p->exit_code = p->app.exit_code ? p->app.exit_code : clean ? KMD_EXIT_OK : KMD_EXIT_SOFTWARE;
	p->dying = true;
	sim_trace("ends with %d", p->exit_code);
	return NULL;
}

struct proc *proc_start(const struct proc_program *program, int number)
{
	struct proc *p = sim_alloc(sizeof(*p));
	static unsigned incarnations;

	if (!sim->procs)
		incarnations = 0;
	p->program = program;
	p->number = number;
	snprintf(p->name, sizeof(p->name), "%s%d.%u", program->name, number, ++incarnations);
	p->boot_ns = sim->now_ns - sim_between(SIM_S, 100 * SIM_S);
	p->skew_ns = sim_between(-20, 20) * SIM_MS;
	p->exit_code = -1;
	p->next = sim->procs;
	sim->procs = p;
	sim_trace("start of %s", p->name);
	coro_new(p, life, p);
	return p;
}

void proc_bury(struct proc *p)
{
	if (p->ended)
		return;
	p->ended = true;
	while (p->links) {
		struct proc_link *l = p->links;

		p->links = l->next;
		l->gone(l->ctx);
	}
	for (size_t i = 0; i < p->coros_count; i++)
		coro_free(p->coros[i]);
	heap_free_all(&p->heap);
	p->service = NULL;
}

void proc_look(struct proc *p)
{
	if (p->dying)
		proc_bury(p);
}

void proc_kill(struct proc *p)
{
	if (p->ended || p->dying)
		return;
	sim_trace("kill %s", p->name);
	p->dying = true;
	if (!sim->cur || coro_proc(sim->cur) != p)
		proc_bury(p);
}

void proc_freeze(struct proc *p, int64_t for_ns)
{
	if (p->ended)
		return;
	sim_trace("freeze %s for %lld ms", p->name, (long long)(for_ns / SIM_MS));
	p->frozen_ns = sim->now_ns + for_ns;
}

void proc_stop(struct proc *p)
{
	if (p->ended || p->stopping)
		return;
	sim_trace("stop %s", p->name);
	begin_drain(p);
}

struct proc *proc_self(void)
{
	assert(sim->cur);
	return coro_proc(sim->cur);
}

void proc_point(void)
{
	struct proc *p = proc_self();

	if (!p->service)
		return; /* before and after its life nothing of it is anybody's business */
	if (sim_strikes(SIM_FAULT_crash))
		proc_kill(p);
	else if (sim_strikes(SIM_FAULT_freeze))
		proc_freeze(p, sim_between(SIM_S, 25 * SIM_S));
	if (p->dying)
		coro_leave_for_good();
	if (p->frozen_ns > sim->now_ns)
		coro_sleep(p->frozen_ns, &p->frozen_ns);
}

bool proc_is_alive(const struct proc *p)
{
	return !p->ended && !p->dying;
}

bool proc_is_stopping(const struct proc *p)
{
	return p->stopping;
}

bool proc_runs(const struct proc *p)
{
	return proc_is_alive(p) && p->frozen_ns <= sim->now_ns;
}

int proc_exit_code(const struct proc *p)
{
	return p->exit_code;
}

const struct proc_program *proc_program(const struct proc *p)
{
	return p->program;
}

void *proc_service(const struct proc *p)
{
	return p->service;
}

int proc_number(const struct proc *p)
{
	return p->number;
}

void proc_on_end(struct proc *p, void (*gone)(void *ctx), void *ctx)
{
	struct proc_link *l = sim_alloc(sizeof(*l));

	*l = (struct proc_link){p->links, gone, ctx};
	p->links = l;
}

struct proc *proc_next(const struct proc *p)
{
	return p->next;
}

const char *proc_name(const struct proc *p)
{
	return p->name;
}

int64_t proc_wall_ns(const struct proc *p)
{
	return sim->now_ns + p->skew_ns;
}

int64_t proc_mono_ns(const struct proc *p)
{
	return sim->now_ns - p->boot_ns;
}

int64_t proc_world_ns(const struct proc *p, int64_t mono_ns)
{
	return mono_ns + p->boot_ns;
}

struct heap *proc_heap(struct proc *p)
{
	return &p->heap;
}

int64_t proc_frozen_until(const struct proc *p)
{
	return p->frozen_ns;
}

void proc_add_coro(struct proc *p, struct coro *c)
{
	assert(p->coros_count < COROS_MAX);
	p->coros[p->coros_count++] = c;
}

struct coro *proc_coro(const struct proc *p, size_t i)
{
	return i < p->coros_count ? p->coros[i] : NULL;
}
