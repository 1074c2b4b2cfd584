#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kmd_log.h"
#include "sim_coro.h"
#include "sim_proc.h"
#include "sim_world.h"

/* Clocks, names, threads and log of the simulated processes. The linker sends the calls here (see CMakeLists.txt). */

struct kmd_mono __wrap_kmd_mono_now(void);
struct kmd_wall __wrap_kmd_wall_now(void);
pid_t __wrap_getpid(void);
int __wrap_gethostname(char *name, size_t n);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __wrap_pthread_join(pthread_t t, void **ret);
int __wrap_pthread_timedjoin_np(pthread_t t, void **ret, const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *c);
int __wrap_pthread_cond_broadcast(pthread_cond_t *c);

struct kmd_mono __wrap_kmd_mono_now(void)
{
	return (struct kmd_mono){sim->cur ? proc_mono_ns(proc_self()) : sim->now_ns};
}

struct kmd_wall __wrap_kmd_wall_now(void)
{
	return (struct kmd_wall){sim->cur ? proc_wall_ns(proc_self()) : sim->now_ns};
}

pid_t __wrap_getpid(void)
{
	return 1000 + proc_number(proc_self());
}

int __wrap_gethostname(char *name, size_t n)
{
	snprintf(name, n, "%s", proc_name(proc_self()));
	return 0;
}

/* ---- threads ---- */

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	(void)attr;
	*ret = (pthread_t)coro_new(proc_self(), fn, arg);
	return 0;
}

static int64_t ns_of(const struct timespec *t)
{
	return t->tv_sec * KMD_NS_PER_S + t->tv_nsec;
}

static bool join(const struct coro *c, int64_t until_ns)
{
	while (!coro_is_done(c) && sim->now_ns < until_ns)
		coro_sleep(until_ns, c);
	return coro_is_done(c);
}

int __wrap_pthread_join(pthread_t t, void **ret)
{
	(void)ret;
	join((const struct coro *)t, INT64_MAX);
	return 0;
}

int __wrap_pthread_timedjoin_np(pthread_t t, void **ret, const struct timespec *until)
{
	const int64_t skew_ns = proc_wall_ns(proc_self()) - sim->now_ns;

	(void)ret;
	return join((const struct coro *)t, ns_of(until) - skew_ns) ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
	bool woken;

	pthread_mutex_unlock(m);
	woken = coro_sleep(proc_world_ns(proc_self(), ns_of(until)), c);
	pthread_mutex_lock(m);
	return woken ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
	coro_wake(proc_self(), c);
	return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
	coro_wake(proc_self(), c);
	return 0;
}

/* ---- log ---- */

struct line {
	char text[1200];
	size_t n;
};

static void add(struct line *l, const char *fmt, ...) KMD_PRINTF(2, 3);
static void add(struct line *l, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(l->text + l->n, sizeof(l->text) - l->n, fmt, args);
	va_end(args);
	if (n > 0)
		l->n = l->n + (size_t)n < sizeof(l->text) ? l->n + (size_t)n : sizeof(l->text) - 1;
}

/* One value by its conversion, as kmd_log.h lists them. */
static void add_value(struct line *l, const char *fmt, va_list *args)
{
	const char *at = strchr(fmt, '%');
	int width;

	if (!at)
		add(l, "%s", fmt);
	else if (strncmp(at, "%s", 2) == 0)
		add(l, "%.*s%s", (int)(at - fmt), fmt, va_arg(*args, const char *));
	else if (strncmp(at, "%.*s", 4) == 0) {
		width = va_arg(*args, int);
		add(l, "%.*s", width, va_arg(*args, const char *));
	} else if (strncmp(at, "%d", 2) == 0)
		add(l, "%d%s", va_arg(*args, int), at + 2);
	else if (strncmp(at, "%u", 2) == 0)
		add(l, "%u%s", va_arg(*args, unsigned), at + 2);
	else
		add(l, "%lld", va_arg(*args, long long)); /* %ld %lu %lld %llu %zu %zd: all of 64 bits */
}

void kmd_log(enum kmd_log_level level, const char *event, ...)
{
	struct line l = {.n = 0};
	const char *name, *fmt;
	va_list args;

	if (!sim->tracing)
		return;
	va_start(args, event);
	while ((name = va_arg(args, const char *))) {
		fmt = va_arg(args, const char *);
		add(&l, " %s=", name);
		add_value(&l, fmt, &args);
	}
	va_end(args);
	sim_trace("%s %s%s", level >= KMD_LOG_WARN ? "!" : ":", event, l.text);
}

int kmd_burst_pass(struct kmd_burst *b, int64_t mono_ns, uint64_t *ret_suppressed)
{
	b->last_ns = mono_ns;
	*ret_suppressed = 0;
	return 1;
}
