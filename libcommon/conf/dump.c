#include "kmd_conf_int.h"

#include <stdlib.h>
#include <string.h>

/* The table and the settings in force, for people. */

static void print_value(const char *value, FILE *out)
{
	for (const char *p = value; *p; p++) {
		if (*p == '\n')
			fputs("\\n", out);
		else
			fputc(*p, out);
	}
}

void kmd_conf_print(const struct kmd_conf *conf, FILE *out)
{
	for (size_t i = 0; i < conf->entries_count; i++) {
		const struct kmd_conf_entry *e = &conf->entries[i];
		fprintf(out, "%s=", e->name);
		if (e->value)
			print_value(e->secret && e->value[0] ? "****" : e->value, out);
		fputc('\n', out);
	}
}

static void print_allowed(const struct kmd_conf_key *key, FILE *out)
{
	struct kmd_buf b = {0};

	conf_value_allowed(key, &b);
	fprintf(out, "%.*s", KMD_STR_ARG(kmd_buf_str(&b)));
	kmd_buf_fini(&b);
}

void kmd_conf_help(enum kmd_conf_who who, FILE *out)
{
	char scratch[128];

	for (size_t i = 0; i < kmd_conf_family_count; i++) {
		const struct kmd_conf_key *key = &kmd_conf_family[i];
		if (!(key->who & who))
			continue;
		const char *def = conf_default(key, who, scratch);
		fprintf(out, "  %s=%s\n      %s", key->name, def ? def : "", key->help);
		if (key->choices || (key->type != KMD_CONF_STR && key->type != KMD_CONF_SECRET)) {
			fputs("; ", out);
			print_allowed(key, out);
		}
		fputc('\n', out);
	}
	fputs("  KAFKA_BOOTSTRAP_SERVERS=localhost:9092\n"
	      "  KAFKA_*\n      any librdkafka property: KAFKA_SASL_USERNAME sets sasl.username\n",
	    out);
	if (who & KMD_WHO_SINK)
		fputs("  PG*\n      libpq's own variables\n", out);
}

static void print_who(unsigned who, FILE *out)
{
	static const char *const names[] = {"ingest", "enricher", "sink"};
	const char *sep = "";

	if (who == KMD_WHO_ALL) {
		fputs("all", out);
		return;
	}
	for (unsigned i = 0; i < 3; i++)
		if (who & (1u << i)) {
			fprintf(out, "%s%s", sep, names[i]);
			sep = ", ";
		}
}

/* A "|" would end the cell. */
static void print_cell(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '|')
			fputs(" / ", out);
		else
			fputc(*text, out);
	}
}

static void print_row(const struct kmd_conf_key *key, FILE *out)
{
	struct kmd_buf b = {0};

	fprintf(out, "| `%s` | ", key->name);
	if (key->def) {
		fputc('`', out);
		print_cell(key->def, out);
		fputc('`', out);
	} else {
		fputc('-', out);
	}
	fputs(" | ", out);
	print_who(key->who, out);
	conf_value_allowed(key, &b);
	kmd_buf_addc(&b, '\0');
	fputs(" | ", out);
	print_cell(b.p, out);
	fputs(" | ", out);
	print_cell(key->help, out);
	fputs(" |\n", out);
	kmd_buf_fini(&b);
}

void kmd_conf_markdown(FILE *out)
{
	fputs("# Settings\n\n"
	      "Generated from the table of the programs (`libcommon/conf/family.c`) by `cmake --build build --target "
	      "docs`.\n\n"
	      "The environment wins over `--config FILE` (lines `NAME=value`, `#` comments), which wins over the "
	      "default.\n"
	      "`NAME_FILE` gives a setting by a file that holds its value. A `KMD_` or `KALSHI_` name that is not here "
	      "and an\n"
	      "unknown `KAFKA_` property are errors (exit code 78); the names that Kubernetes service links inject are "
	      "ignored.\n"
	      "`--print` shows what is in force, secrets masked.\n\n"
	      "| name | default | read by | value | meaning |\n|---|---|---|---|---|\n",
	    out);
	for (size_t i = 0; i < kmd_conf_family_count; i++)
		print_row(&kmd_conf_family[i], out);
	fputs("| `KAFKA_*` | `KAFKA_BOOTSTRAP_SERVERS=localhost:9092` | all | text | any librdkafka property: "
	      "`KAFKA_SASL_USERNAME` sets `sasl.username` |\n"
	      "| `PG*` | libpq's | sink | text | libpq's own variables |\n",
	    out);
}
