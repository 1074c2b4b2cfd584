#include "kmd_conf_int.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"

/* What one load works on. */
struct loader {
	struct kmd_conf *conf;
	enum kmd_conf_who who;
	struct conf_source sources[2]; /* in the order of precedence: environment, file */
	size_t entries_cap;
	struct kmd_err *err;
};

static void add_entry(struct loader *l, struct kmd_str name, char *value, bool secret)
{
	struct kmd_conf *c = l->conf;

	if (c->entries_count == l->entries_cap) {
		l->entries_cap = l->entries_cap ? 2 * l->entries_cap : 64;
		c->entries = kmd_realloc(c->entries, l->entries_cap * sizeof(*c->entries));
	}
	c->entries[c->entries_count++] = (struct kmd_conf_entry){kmd_strndup(name.p, name.n), value, secret};
}

static void where(const struct conf_source *s, const struct conf_line *line, char *ret, size_t size)
{
	if (line->number)
		snprintf(ret, size, " (%s line %d)", s->path, line->number);
	else
		ret[0] = '\0';
}

/*
 * Value of a setting from the first source that has it, given (free it); NULL: nobody gave it. @ret_direct tells
 * whether it stood in the environment as it is.
 */
static int resolve(struct loader *l, struct kmd_str base, char **ret, bool *ret_direct)
{
	*ret = NULL;
	*ret_direct = false;
	for (size_t i = 0; i < 2; i++) {
		const struct conf_source *s = &l->sources[i];
		const struct conf_line *plain = conf_source_find(s, base, false);
		const struct conf_line *file = conf_source_find(s, base, true);
		if (file && file->value[0] == '\0')
			file = NULL;
		if (plain && file)
			return kmd_err_set(
			    l->err, KMD_ECONFIG, "%s and %s are both given, only one may be", plain->name, file->name);
		if (file) {
			int rc = conf_read_file(file->value, ret, l->err);
			return rc < 0 ? kmd_err_prefix(l->err, rc, "%s", file->name) : 0;
		}
		if (plain) {
			*ret = kmd_strndup(plain->value, strlen(plain->value));
			*ret_direct = i == 0;
			return 0;
		}
	}
	return 0;
}

static int bad_value(struct loader *l, const struct kmd_conf_key *key, const char *value)
{
	struct kmd_buf allowed = {0};

	conf_value_allowed(key, &allowed);
	int rc = kmd_err_set(l->err, KMD_ECONFIG, "%s=%.100s: must be %.*s", key->name,
	    key->type == KMD_CONF_SECRET ? "****" : value, KMD_STR_ARG(kmd_buf_str(&allowed)));
	kmd_buf_fini(&allowed);
	return rc;
}

static void *field_of(const struct kmd_conf_key *key, const struct kmd_conf_bind *binds, size_t count, void *target)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(binds[i].name, key->name) == 0)
			return (char *)target + binds[i].offset;
	return NULL;
}

static int load_key(struct loader *l, const struct kmd_conf_key *key, void *field)
{
	union {
		const char *text;
		bool b;
		int64_t i;
		double d;
	} unbound;
	char scratch[128], *value;
	const char *def = conf_default(key, l->who, scratch);
	bool direct;
	int rc = resolve(l, kmd_str_z(key->name), &value, &direct);

	if (rc < 0)
		return rc;
	if (!value && def)
		value = kmd_strndup(def, strlen(def));
	if (value && !value[0] && !def) {
		free(value);
		value = NULL;
	}
	add_entry(l, kmd_str_z(key->name), value, key->type == KMD_CONF_SECRET);
	if (value && conf_value_parse(key, value, field ? field : &unbound) < 0)
		return bad_value(l, key, value);
	return 0;
}

static int load_keys(struct loader *l, const struct kmd_conf_bind *binds, size_t binds_count, void *target)
{
	int rc = 0;

	for (size_t i = 0; i < binds_count; i++)
		assert(conf_key_find(kmd_str_z(binds[i].name)));
	for (size_t i = 0; i < kmd_conf_family_count && rc == 0; i++) {
		const struct kmd_conf_key *key = &kmd_conf_family[i];
		if (key->who & l->who)
			rc = load_key(l, key, field_of(key, binds, binds_count, target));
	}
	return rc;
}

/* A name that looks like ours and is not is a slip of the pen. */
static int check_names(struct loader *l)
{
	char at[300];

	for (size_t i = 0; i < 2; i++) {
		const struct conf_source *s = &l->sources[i];
		for (size_t k = 0; k < s->count; k++) {
			if (conf_name_of(s->lines[k].name).kind != CONF_UNKNOWN)
				continue;
			where(s, &s->lines[k], at, sizeof(at));
			return kmd_err_set(
			    l->err, KMD_ECONFIG, "%.100s is not a setting of these programs%s", s->lines[k].name, at);
		}
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return kmd_str_cmp(*(const struct kmd_str *)a, *(const struct kmd_str *)b);
}

/* Distinct base names of one kind over both sources, sorted. Given; the names borrow from the sources. */
static struct kmd_str *names_of_kind(const struct loader *l, enum conf_kind kind, size_t *ret_count)
{
	struct kmd_str *names = kmd_calloc(l->sources[0].count + l->sources[1].count + 1, sizeof(*names));
	size_t all = 0, kept = 0;

	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < l->sources[i].count; k++) {
			struct conf_name n = conf_name_of(l->sources[i].lines[k].name);
			if (n.kind == kind)
				names[all++] = n.base;
		}
	qsort(names, all, sizeof(*names), by_name);
	for (size_t i = 0; i < all; i++)
		if (kept == 0 || !kmd_str_eq(names[kept - 1], names[i]))
			names[kept++] = names[i];
	*ret_count = kept;
	return names;
}

/* "KAFKA_SASL_USERNAME" -> "sasl.username" */
static char *property_of(struct kmd_str setting)
{
	const size_t skip = strlen("KAFKA_");
	char *p = kmd_strndup(setting.p + skip, setting.n - skip);

	for (char *c = p; *c; c++)
		*c = *c == '_' ? '.' : (char)tolower((unsigned char)*c);
	return p;
}

static void add_property(struct loader *l, struct kmd_str setting, char *value)
{
	struct kmd_conf *c = l->conf;
	const char *name = NULL;

	add_entry(l, setting, value, false);
	name = c->entries[c->entries_count - 1].name;
	c->entries[c->entries_count - 1].secret = conf_kafka_is_secret(name);
	c->kafka[c->kafka_count++] = (struct kmd_conf_prop){property_of(setting), value, name};
}

static int load_kafka(struct loader *l)
{
	const struct kmd_str servers = KMD_STR("KAFKA_BOOTSTRAP_SERVERS");
	size_t count, cap;
	struct kmd_str *names = names_of_kind(l, CONF_KAFKA, &count);
	bool direct, has_servers = false;
	int rc = 0;

	for (size_t i = 0; i < count; i++)
		has_servers |= kmd_str_eq(names[i], servers) || kmd_str_eqz(names[i], "KAFKA_METADATA_BROKER_LIST");
	if (!has_servers) {
		names[count++] = servers;
		qsort(names, count, sizeof(*names), by_name);
	}
	cap = count;
	l->conf->kafka = kmd_calloc(cap, sizeof(*l->conf->kafka));
	for (size_t i = 0; i < count && rc == 0; i++) {
		char *value;
		rc = resolve(l, names[i], &value, &direct);
		if (rc == 0)
			add_property(l, names[i], value ? value : kmd_strndup("localhost:9092", 14));
	}
	free(names);
	return rc;
}

/* libpq reads the environment: what came another way is put there. */
static int load_pg(struct loader *l)
{
	size_t count;
	struct kmd_str *names = names_of_kind(l, CONF_PG, &count);
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		char *value;
		bool direct;
		rc = resolve(l, names[i], &value, &direct);
		if (rc < 0 || !value)
			continue;
		add_entry(l, names[i], value, kmd_str_eqz(names[i], "PGPASSWORD"));
		if (!direct)
			setenv(l->conf->entries[l->conf->entries_count - 1].name, value, 1);
	}
	free(names);
	return rc;
}

int kmd_conf_load(struct kmd_conf *conf, enum kmd_conf_who who, const char *const *env, const char *file,
    const struct kmd_conf_bind *binds, size_t binds_count, void *target, struct kmd_err *err)
{
	struct loader l = {.conf = conf, .who = who, .sources = {{.path = NULL}, {.path = file}}, .err = err};
	int rc = 0;

	memset(conf, 0, sizeof(*conf));
	conf_source_env(&l.sources[0], env);
	if (file)
		rc = conf_source_file(&l.sources[1], err);
	if (rc == 0)
		rc = check_names(&l);
	if (rc == 0)
		rc = load_keys(&l, binds, binds_count, target);
	if (rc == 0)
		rc = load_kafka(&l);
	if (rc == 0 && (who & KMD_WHO_SINK))
		rc = load_pg(&l);
	conf_source_fini(&l.sources[0]);
	conf_source_fini(&l.sources[1]);
	if (rc < 0)
		kmd_conf_fini(conf);
	return rc;
}

void kmd_conf_fini(struct kmd_conf *conf)
{
	for (size_t i = 0; i < conf->kafka_count; i++)
		free((char *)conf->kafka[i].name);
	free(conf->kafka);
	for (size_t i = 0; i < conf->entries_count; i++) {
		free(conf->entries[i].name);
		conf_wipe(conf->entries[i].value);
	}
	free(conf->entries);
	memset(conf, 0, sizeof(*conf));
}
