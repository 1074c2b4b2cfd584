#include "ready.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_jsonw.h"
#include "kmd_mem.h"

/* What is wrong may be told anew so long after it was told first, and so long after each further time. */
#define TELL_FIRST_NS (5 * KMD_NS_PER_S)
#define TELL_EVERY_NS (60 * KMD_NS_PER_S)

void ready_init(struct ready *r)
{
	pthread_mutex_init(&r->lock, NULL);
	r->phase = "starting";
}

void ready_fini(struct ready *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->conditions[i].name);
		free(r->conditions[i].why);
		free(r->conditions[i].told);
	}
	free(r->conditions);
	pthread_mutex_destroy(&r->lock);
}

static struct condition *find(struct ready *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->conditions[i].name, name) == 0)
			return &r->conditions[i];
	return NULL;
}

static struct condition *add(struct ready *r, const char *name)
{
	r->conditions = kmd_realloc(r->conditions, (r->count + 1) * sizeof(*r->conditions));
	r->conditions[r->count] = (struct condition){.name = kmd_strndup(name, strlen(name))};
	return &r->conditions[r->count++];
}

static void set_why(struct condition *c, const char *why)
{
	if (c->why && why && strcmp(c->why, why) == 0)
		return;
	free(c->why);
	c->why = why && why[0] ? kmd_strndup(why, strlen(why)) : NULL;
}

/* "after 8 ms" and "after 12 ms" are one trouble. */
static bool same_trouble(const char *a, const char *b)
{
	static const char digits[] = "0123456789";

	for (;; a++, b++) {
		a += strspn(a, digits);
		b += strspn(b, digits);
		if (*a != *b)
			return false;
		if (!*a)
			return true;
	}
}

/* Remembers that it was told. */
static bool worth_telling(struct condition *c, bool changed, struct kmd_mono now)
{
	const char *why = c->why ? c->why : "";
	const int64_t wait_ns = c->retold ? TELL_EVERY_NS : TELL_FIRST_NS;

	if (!changed && (c->ok || now.ns - c->told_ns < wait_ns || same_trouble(why, c->told ? c->told : "")))
		return false;
	c->retold = !changed;
	free(c->told);
	c->told = kmd_strndup(why, strlen(why));
	c->told_ns = now.ns;
	return true;
}

bool ready_set(struct ready *r, const char *name, bool ok, const char *why, struct kmd_mono now)
{
	pthread_mutex_lock(&r->lock);
	struct condition *c = find(r, name);
	bool changed = !c || c->ok != ok;
	if (!c)
		c = add(r, name);
	c->ok = ok;
	set_why(c, why);
	changed = worth_telling(c, changed, now);
	pthread_mutex_unlock(&r->lock);
	return changed;
}

void ready_phase(struct ready *r, const char *phase)
{
	pthread_mutex_lock(&r->lock);
	r->phase = phase;
	pthread_mutex_unlock(&r->lock);
}

void ready_fail(struct ready *r, const char *text)
{
	pthread_mutex_lock(&r->lock);
	snprintf(r->failure, sizeof(r->failure), "%s", text);
	pthread_mutex_unlock(&r->lock);
}

static struct kmd_jsonw *condition_json(const struct condition *c)
{
	struct kmd_jsonw *w = kmd_jsonw_object();

	kmd_jsonw_bool(w, "ok", c->ok);
	if (c->why)
		kmd_jsonw_strz(w, "why", c->why);
	return w;
}

/* Locked. @missing gets the names of what stands in the way. */
static bool collect(const struct ready *r, struct kmd_jsonw *missing, struct kmd_jsonw *conditions)
{
	bool ok = !r->phase && !r->failure[0];

	for (size_t i = 0; i < r->count; i++) {
		const struct condition *c = &r->conditions[i];
		if (!c->ok)
			kmd_jsonw_push_str(missing, kmd_str_z(c->name));
		ok = ok && c->ok;
		kmd_jsonw_put(conditions, c->name, condition_json(c));
	}
	return ok;
}

bool ready_body(struct ready *r, struct kmd_buf *out)
{
	struct kmd_jsonw *w = kmd_jsonw_object(), *missing = kmd_jsonw_array(), *conditions = kmd_jsonw_object();

	pthread_mutex_lock(&r->lock);
	bool ok = collect(r, missing, conditions);
	kmd_jsonw_bool(w, "ready", ok);
	kmd_jsonw_strz(w, "phase", r->phase ? r->phase : "running");
	if (r->failure[0])
		kmd_jsonw_strz(w, "failure", r->failure);
	pthread_mutex_unlock(&r->lock);
	kmd_jsonw_put(w, "missing", missing);
	kmd_jsonw_put(w, "conditions", conditions);
	kmd_jsonw_print(w, out);
	kmd_buf_addc(out, '\n');
	kmd_jsonw_free(w);
	return ok;
}

void ready_metrics(struct ready *r, struct kmd_buf *out)
{
	kmd_buf_addz(
	    out, "# HELP kmd_ready What /readyz asks for: 1 met, 0 not; /readyz says why.\n# TYPE kmd_ready gauge\n");
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->count; i++)
		kmd_buf_addf(out, "kmd_ready{condition=\"%s\"} %d\n", r->conditions[i].name, r->conditions[i].ok);
	pthread_mutex_unlock(&r->lock);
}
