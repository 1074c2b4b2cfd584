#include "kmd_jsonw.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "kmd_mem.h"
#include "kmd_time.h"

/*
 * An opaque struct kmd_jsonw is a cJSON item. Texts and numbers go in as raw items of our own writing: cJSON's strings
 * end at a NUL and pass broken UTF-8 on, its numbers are doubles.
 */

static cJSON *item(const struct kmd_jsonw *w)
{
	return (cJSON *)(void *)(uintptr_t)w;
}

static void *must(void *p)
{
	if (p)
		return p;
	(void)fprintf(stderr, "out of memory: JSON\n");
	abort();
}

struct kmd_jsonw *kmd_jsonw_object(void)
{
	return must(cJSON_CreateObject());
}

struct kmd_jsonw *kmd_jsonw_array(void)
{
	return must(cJSON_CreateArray());
}

void kmd_jsonw_free(struct kmd_jsonw *w)
{
	cJSON_Delete(item(w));
}

static cJSON *raw_item(struct kmd_str json)
{
	char *z = kmd_strndup(json.p, json.n);
	cJSON *raw = must(cJSON_CreateRaw(z));
	free(z);
	return raw;
}

static cJSON *text_item(struct kmd_str s)
{
	struct kmd_buf b = {0};
	if (!s.p)
		return must(cJSON_CreateNull());
	kmd_buf_add_json(&b, s);
	cJSON *raw = raw_item(kmd_buf_str(&b));
	kmd_buf_fini(&b);
	return raw;
}

static void add(struct kmd_jsonw *obj, const char *name, cJSON *value)
{
	if (!cJSON_AddItemToObject(item(obj), name, value))
		(void)must(NULL);
}

static void push(struct kmd_jsonw *array, cJSON *value)
{
	if (!cJSON_AddItemToArray(item(array), value))
		(void)must(NULL);
}

void kmd_jsonw_str(struct kmd_jsonw *obj, const char *name, struct kmd_str value)
{
	add(obj, name, text_item(value));
}

void kmd_jsonw_strz(struct kmd_jsonw *obj, const char *name, const char *value)
{
	kmd_jsonw_str(obj, name, kmd_str_z(value));
}

void kmd_jsonw_i64(struct kmd_jsonw *obj, const char *name, int64_t value)
{
	struct kmd_buf b = {0};
	kmd_buf_add_i64(&b, value);
	add(obj, name, raw_item(kmd_buf_str(&b)));
	kmd_buf_fini(&b);
}

void kmd_jsonw_bool(struct kmd_jsonw *obj, const char *name, bool value)
{
	add(obj, name, must(cJSON_CreateBool(value)));
}

void kmd_jsonw_null(struct kmd_jsonw *obj, const char *name)
{
	add(obj, name, must(cJSON_CreateNull()));
}

void kmd_jsonw_time(struct kmd_jsonw *obj, const char *name, int64_t unix_ns)
{
	struct kmd_buf b = {0};
	kmd_time_format(&b, unix_ns, 9);
	kmd_jsonw_str(obj, name, kmd_buf_str(&b));
	kmd_buf_fini(&b);
}

void kmd_jsonw_raw(struct kmd_jsonw *obj, const char *name, struct kmd_str json)
{
	add(obj, name, json.p ? raw_item(json) : must(cJSON_CreateNull()));
}

void kmd_jsonw_put(struct kmd_jsonw *obj, const char *name, struct kmd_jsonw *child)
{
	add(obj, name, item(child));
}

void kmd_jsonw_push(struct kmd_jsonw *array, struct kmd_jsonw *child)
{
	push(array, item(child));
}

void kmd_jsonw_push_str(struct kmd_jsonw *array, struct kmd_str value)
{
	push(array, text_item(value));
}

void kmd_jsonw_print(const struct kmd_jsonw *w, struct kmd_buf *out)
{
	char *z = must(cJSON_PrintUnformatted(item(w)));
	kmd_buf_addz(out, z);
	cJSON_free(z);
}
