/*
 * Settings. Input: lines NAME=value of the environment, a line "--", then the text of the settings file.
 *
 * - What is refused is refused in one line that names something, and never tells a secret.
 * - What is accepted: numbers, durations and sizes lie within the table's bounds, texts with choices are one of them,
 *   no secret is printed, and what is printed (secrets apart) is accepted as a settings file and prints the same.
 * - kmd_conf_parse_dur and _size take what they are shown of a number.
 *
 * Of a NAME_FILE line in the environment the value is the content of the file, so that no path of the machine is read;
 * in the settings file such lines, and those of libpq, which would go into the process's environment, are left out.
 * A secret is a value of DATABASE_URL or PGPASSWORD with the word "hush", if that is the only one in the input.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "kmd_conf.h"
#include "kmd_conf_int.h"

#define LINES_MAX 64

struct fields {
	const char *texts[64];
	bool bools[64];
	int64_t numbers[64];
	double rates[64];
};

struct input {
	char *env[LINES_MAX + 1];
	int env_fd[LINES_MAX];
	size_t env_count;
	char path[64];
	int fd;
	bool has_secret;
};

static bool is_file_line(struct kmd_str line)
{
	return line.n >= 6 && memmem(line.p, line.n, "_FILE", 5);
}

static bool is_pg_line(struct kmd_str line)
{
	return kmd_str_has_prefix(line, KMD_STR("PG"));
}

/* A file of its own that has no name: its descriptor, its path in @ret_path. */
static int make_file(struct kmd_str content, char ret_path[64])
{
	const int fd = memfd_create("settings", MFD_CLOEXEC);

	HOLDS(fd >= 0 && write(fd, content.p, content.n) == (ssize_t)content.n);
	(void)snprintf(ret_path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static bool has_secret(struct kmd_str text)
{
	const char *at = memmem(text.p, text.n, "hush", 4);
	const size_t n = at ? (size_t)(at - text.p) : 0;
	struct kmd_str line = {text.p, n};
	struct kmd_str piece = line;

	if (!at || memmem(at + 4, text.n - n - 4, "hush", 4))
		return false;
	while (line.n > 0)
		piece = fuzz_piece(&line, '\n');
	return kmd_str_has_prefix(piece, KMD_STR("DATABASE_URL=")) || kmd_str_has_prefix(piece, KMD_STR("PGPASSWORD="));
}

static void add_env(struct input *in, struct kmd_str line)
{
	const struct kmd_str text = {line.p, line.n ? strnlen(line.p, line.n) : 0};
	struct kmd_str content = text, name = fuzz_piece(&content, '=');
	struct kmd_buf b = {0};
	char path[64];

	if (in->env_count == LINES_MAX)
		return;
	in->env_fd[in->env_count] = -1;
	kmd_buf_add_str(&b, text);
	if (is_file_line(name)) {
		in->env_fd[in->env_count] = make_file(content, path);
		kmd_buf_reset(&b);
		kmd_buf_addf(&b, "%.*s=%s", KMD_STR_ARG(name), path);
	}
	kmd_buf_addc(&b, '\0');
	in->env[in->env_count++] = b.p;
}

static void add_file(struct input *in, struct kmd_str rest)
{
	struct kmd_buf b = {0};

	while (rest.n > 0) {
		const struct kmd_str line = fuzz_piece(&rest, '\n');

		if (is_file_line(line) || is_pg_line(kmd_str_trim(line)))
			continue;
		kmd_buf_add_str(&b, line);
		kmd_buf_addc(&b, '\n');
	}
	in->fd = make_file(kmd_buf_str(&b), in->path);
	kmd_buf_fini(&b);
}

static void read_input(struct input *in, struct kmd_str rest)
{
	*in = (struct input){.has_secret = has_secret(rest)};
	while (rest.n > 0) {
		const struct kmd_str line = fuzz_piece(&rest, '\n');

		if (kmd_str_eqz(line, "--"))
			break;
		add_env(in, line);
	}
	add_file(in, rest);
}

static void free_input(struct input *in)
{
	for (size_t i = 0; i < in->env_count; i++) {
		free(in->env[i]);
		if (in->env_fd[i] >= 0)
			close(in->env_fd[i]);
	}
	close(in->fd);
}

/* All settings of the table, each bound to the field of its type at its row. */
static size_t bind_all(struct kmd_conf_bind *binds)
{
	HOLDS(kmd_conf_family_count <= 64);
	for (size_t i = 0; i < kmd_conf_family_count; i++) {
		const size_t offset = i * 8;

		binds[i].name = kmd_conf_family[i].name;
		switch (kmd_conf_family[i].type) {
		case KMD_CONF_STR:
		case KMD_CONF_SECRET:
			binds[i].offset = offsetof(struct fields, texts) + offset;
			break;
		case KMD_CONF_BOOL:
			binds[i].offset = offsetof(struct fields, bools) + i;
			break;
		case KMD_CONF_RATE:
			binds[i].offset = offsetof(struct fields, rates) + offset;
			break;
		default:
			binds[i].offset = offsetof(struct fields, numbers) + offset;
		}
	}
	return kmd_conf_family_count;
}

static bool is_choice(const char *choices, const char *value)
{
	struct kmd_str rest = kmd_str_z(choices), piece;

	while (kmd_str_split(&rest, '|', &piece))
		if (kmd_str_eqz(piece, value))
			return true;
	return false;
}

static void check_field(const struct kmd_conf_key *key, const struct fields *f, size_t i)
{
	switch (key->type) {
	case KMD_CONF_STR:
	case KMD_CONF_SECRET:
		HOLDS(!key->choices || !f->texts[i] || is_choice(key->choices, f->texts[i]));
		break;
	case KMD_CONF_RATE:
		HOLDS(f->rates[i] > 0 && f->rates[i] <= (double)key->max);
		break;
	case KMD_CONF_BOOL:
		break;
	default:
		HOLDS(f->numbers[i] >= key->min && f->numbers[i] <= key->max);
	}
}

static char *print(const struct kmd_conf *conf)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	kmd_conf_print(conf, out);
	HOLDS(fclose(out) == 0);
	return text;
}

/*
 * Can the line stand in a settings file and mean the same? White space at the ends of a value is cut there, and a name
 * that looks like a service link of Kubernetes is ignored unless it came as NAME_FILE.
 */
static bool fits_file(struct kmd_str line)
{
	struct kmd_str value = line;
	const struct kmd_str name = fuzz_piece(&value, '=');

	for (size_t i = 0; i < name.n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", name.p[i]))
			return false;
	if (memmem(name.p, name.n, "_PORT", 5) || memmem(name.p, name.n, "_SERVICE_", 9))
		return false;
	return !is_pg_line(line) && kmd_str_eq(kmd_str_trim(value), value) &&
	       !(value.n && memchr(value.p, '\\', value.n));
}

static bool all_fit_file(struct kmd_str text)
{
	bool fit = true;

	while (text.n > 0) {
		const struct kmd_str line = fuzz_piece(&text, '\n');
		const bool unset =
		    kmd_str_eqz(line, "KALSHI_PRIVATE_KEY_FILE=") || kmd_str_eqz(line, "KALSHI_CA_FILE=");

		fit = fit && (unset || (!is_file_line(line) && fits_file(line)));
	}
	return fit;
}

static void check_printed(const struct kmd_conf *conf, enum kmd_conf_who who, bool secret)
{
	const char *const none[] = {NULL};
	char *before = print(conf), *after;
	struct input again = {.env_count = 0};
	struct kmd_conf conf_again;
	struct kmd_err err = {.text = ""};

	HOLDS(!secret || !strstr(before, "hush"));
	if (all_fit_file(kmd_str_z(before))) {
		add_file(&again, kmd_str_z(before));
		HOLDS(kmd_conf_load(&conf_again, who, none, again.path, NULL, 0, NULL, &err) == 0);
		after = print(&conf_again);
		HOLDS(strcmp(before, after) == 0);
		free(after);
		kmd_conf_fini(&conf_again);
		close(again.fd);
	}
	free(before);
}

static void check_load(const struct input *in, enum kmd_conf_who who)
{
	struct kmd_conf_bind binds[64];
	const size_t binds_count = bind_all(binds);
	struct kmd_err err = {.text = ""};
	struct fields f = {0};
	struct kmd_conf conf;

	if (kmd_conf_load(&conf, who, (const char *const *)in->env, in->path, binds, binds_count, &f, &err) < 0) {
		HOLDS(err.text[0] && !strchr(err.text, '\n') && (!in->has_secret || !strstr(err.text, "hush")));
		HOLDS(conf.entries_count == 0 && conf.kafka_count == 0);
		return;
	}
	for (size_t i = 0; i < kmd_conf_family_count; i++)
		if (kmd_conf_family[i].who & who)
			check_field(&kmd_conf_family[i], &f, i);
	check_printed(&conf, who, in->has_secret);
	kmd_conf_fini(&conf);
}

static void check_units(struct kmd_str line)
{
	int64_t ns, bytes, again;
	struct kmd_buf b = {0};

	if (kmd_conf_parse_dur(line, &ns) == 0 && ns % 1000000 == 0) {
		kmd_buf_addf(&b, "%lldms", (long long)(ns / 1000000));
		HOLDS(ns >= 0 && kmd_conf_parse_dur(kmd_buf_str(&b), &again) == 0 && again == ns);
	}
	kmd_buf_reset(&b);
	if (kmd_conf_parse_size(line, &bytes) == 0) {
		kmd_buf_addf(&b, "%lldB", (long long)bytes);
		HOLDS(bytes >= 0 && kmd_conf_parse_size(kmd_buf_str(&b), &again) == 0 && again == bytes);
	}
	kmd_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmd_str rest = fuzz_text(data, size);
	struct input in;

	read_input(&in, rest);
	for (unsigned who = KMD_WHO_INGEST; who <= KMD_WHO_SINK; who <<= 1)
		check_load(&in, (enum kmd_conf_who)who);
	while (rest.n > 0)
		check_units(fuzz_piece(&rest, '\n'));
	free_input(&in);
	return 0;
}
