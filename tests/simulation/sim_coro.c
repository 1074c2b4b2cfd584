/* glibc's checked longjmp() refuses to go to another stack. */
#undef _FORTIFY_SOURCE
#include "sim_coro.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "sim_proc.h"
#include "sim_world.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/common_interface_defs.h>
#define STACK_BYTES ((size_t)1024 * 1024)
#else
#define STACK_BYTES ((size_t)256 * 1024)
#endif

struct coro {
	ucontext_t context; /* for the first time that it is entered */
	jmp_buf at;         /* where it left; then */
	bool begun;
	char *stack;
	struct proc *proc;
	void *(*fn)(void *arg);
	void *arg;
	bool done, woken, asleep;
	uint64_t nap; /* counts sleeps, so that a late alarm of an earlier one is known */
	const void *waits_for;
	void *fake_stack; /* of the address sanitizer */
};

static jmp_buf scheduler;
static char *spare[64]; /* stacks to use again */
static size_t spare_count;

#ifdef HAS_ASAN
static void *scheduler_fake;
static const void *scheduler_bottom;
static size_t scheduler_bytes;
#endif

static char *take_stack(void)
{
	char *p;

	if (spare_count > 0)
		return spare[--spare_count];
	p = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mprotect(p, 4096, PROT_NONE) != 0)
		abort();
	return p;
}

static void give_stack(char *p)
{
	if (spare_count < sizeof(spare) / sizeof(spare[0]))
		spare[spare_count++] = p;
	else
		munmap(p, STACK_BYTES);
}

void coro_free_stacks(void)
{
	while (spare_count > 0)
		munmap(spare[--spare_count], STACK_BYTES);
}

/* swapcontext() asks the kernel for the signal mask twice a switch: a seventh of the time of a history. */
static void go_on(jmp_buf from, jmp_buf to)
{
	if (_setjmp(from) == 0)
		_longjmp(to, 1);
}

static void begin(jmp_buf from, struct coro *c)
{
	c->begun = true;
	if (_setjmp(from) == 0)
		setcontext(&c->context);
}

static void switch_to(struct coro *c)
{
	if (c->begun)
		go_on(scheduler, c->at);
	else
		begin(scheduler, c);
}

static void leave(struct coro *c, bool for_good)
{
#ifdef HAS_ASAN
	__sanitizer_start_switch_fiber(for_good ? NULL : &c->fake_stack, scheduler_bottom, scheduler_bytes);
	go_on(c->at, scheduler);
	__sanitizer_finish_switch_fiber(c->fake_stack, &scheduler_bottom, &scheduler_bytes);
#else
	(void)for_good;
	go_on(c->at, scheduler);
#endif
}

void coro_leave_for_good(void)
{
	leave(sim->cur, true);
	abort();
}

static void trampoline(void)
{
	struct coro *c = sim->cur;

#ifdef HAS_ASAN
	__sanitizer_finish_switch_fiber(NULL, &scheduler_bottom, &scheduler_bytes);
#endif
	c->fn(c->arg);
	c->done = true;
	coro_wake(c->proc, c);
	coro_leave_for_good();
}

static void enter(struct coro *c)
{
	struct heap *former = heap_use(proc_heap(c->proc));

	sim->cur = c;
#ifdef HAS_ASAN
	__sanitizer_start_switch_fiber(&scheduler_fake, c->stack, STACK_BYTES);
	switch_to(c);
	__sanitizer_finish_switch_fiber(scheduler_fake, NULL, NULL);
#else
	switch_to(c);
#endif
	sim->cur = NULL;
	heap_use(former);
}

/* An alarm: of the sleep number @nap, unless that one is over. */
static void on_alarm(void *ctx, uint64_t nap)
{
	struct coro *c = ctx;
	struct proc *p;
	int64_t frozen_ns;

	if (!c->stack || c->done || c->nap != nap)
		return;
	p = c->proc;
	frozen_ns = proc_frozen_until(p);
	if (frozen_ns > sim->now_ns) {
		sim_after(frozen_ns - sim->now_ns, on_alarm, c, nap);
		return;
	}
	c->nap++;
	c->asleep = false;
	enter(c);
	if (sim->failed)
		longjmp(sim->failed_jmp, 1);
	proc_look(p);
}

struct coro *coro_new(struct proc *p, void *(*fn)(void *arg), void *arg)
{
	struct coro *c = sim_alloc(sizeof(*c));

	c->proc = p;
	c->fn = fn;
	c->arg = arg;
	c->stack = take_stack();
	getcontext(&c->context);
	c->context.uc_stack.ss_sp = c->stack;
	c->context.uc_stack.ss_size = STACK_BYTES;
	c->context.uc_link = NULL;
	makecontext(&c->context, trampoline, 0);
	sim_after(sim_between(0, SIM_MS), on_alarm, c, c->nap);
	proc_add_coro(p, c);
	return c;
}

void coro_free(struct coro *c)
{
	if (c->stack)
		give_stack(c->stack);
	c->stack = NULL;
}

struct proc *coro_proc(const struct coro *c)
{
	return c->proc;
}

bool coro_is_done(const struct coro *c)
{
	return c->done;
}

bool coro_sleep(int64_t until_ns, const void *what)
{
	struct coro *c = sim->cur;

	c->waits_for = what;
	c->woken = false;
	c->asleep = true;
	sim_after(until_ns - sim->now_ns, on_alarm, c, c->nap);
	leave(c, false);
	return c->woken;
}

static void wake(struct coro *c)
{
	if (!c->asleep || c->woken)
		return;
	c->woken = true;
	c->nap++;
	sim_after(sim_between(0, 50 * KMD_NS_PER_US), on_alarm, c, c->nap);
}

void coro_wake(struct proc *p, const void *what)
{
	struct coro *c;

	for (size_t i = 0; (c = proc_coro(p, i)); i++)
		if (!what || !c->waits_for || c->waits_for == what)
			wake(c);
}
