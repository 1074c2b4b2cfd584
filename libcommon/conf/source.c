#include "kmd_conf_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kmd_mem.h"

/* Where settings come from: the environment and files. */

#define FILE_BYTES_MAX ((size_t)1024 * 1024) /* a settings file or a secret; more is a mistake in the path */

void conf_wipe(char *text)
{
	if (!text)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

static void add(struct conf_source *s, struct kmd_str name, struct kmd_str value, int number)
{
	if (s->count == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 16;
		s->lines = kmd_realloc(s->lines, s->cap * sizeof(*s->lines));
	}
	s->lines[s->count++] = (struct conf_line){kmd_strndup(name.p, name.n), kmd_strndup(value.p, value.n), number};
}

/* "NAME=value" in its parts. */
static bool split_line(struct kmd_str line, struct kmd_str *ret_name, struct kmd_str *ret_value)
{
	const char *eq = line.n ? memchr(line.p, '=', line.n) : NULL;

	if (!eq || eq == line.p)
		return false;
	*ret_name = (struct kmd_str){line.p, (size_t)(eq - line.p)};
	*ret_value = (struct kmd_str){eq + 1, line.n - ret_name->n - 1};
	return true;
}

void conf_source_env(struct conf_source *s, const char *const *env)
{
	struct kmd_str name, value;

	for (; env && *env; env++)
		if (split_line(kmd_str_z(*env), &name, &value))
			add(s, name, value, 0);
}

static int read_all(int fd, struct kmd_buf *b)
{
	while (b->n <= FILE_BYTES_MAX) {
		ssize_t n = read(fd, kmd_buf_reserve(b, 4096), 4096);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		b->n += (size_t)n;
	}
	return EFBIG;
}

/* Bytes of a file into a buffer that is wiped while it grows by nothing: files of settings may hold secrets. */
static int slurp(const char *path, struct kmd_buf *b, struct kmd_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int e = fd < 0 ? errno : read_all(fd, b);

	if (fd >= 0)
		close(fd);
	if (e)
		return kmd_err_set(err, KMD_ECONFIG, "cannot read %s: %s", path, strerror(e));
	if (b->n && memchr(b->p, '\0', b->n))
		return kmd_err_set(err, KMD_ECONFIG, "cannot use %s: it is not text (a NUL byte)", path);
	return 0;
}

static void drop(struct kmd_buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->n);
	kmd_buf_fini(b);
}

int conf_read_file(const char *path, char **ret, struct kmd_err *err)
{
	struct kmd_buf b = {0};
	int rc = slurp(path, &b, err);

	if (rc == 0) {
		while (b.n && (b.p[b.n - 1] == '\n' || b.p[b.n - 1] == '\r'))
			b.n--;
		*ret = kmd_strndup(b.n ? b.p : "", b.n);
	}
	drop(&b);
	return rc;
}

static bool is_name(struct kmd_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9' && i > 0)))
			return false;
	}
	return s.n > 0;
}

int conf_source_file(struct conf_source *s, struct kmd_err *err)
{
	struct kmd_buf b = {0};
	struct kmd_str rest, line, name, value;
	int number = 0;
	int rc = slurp(s->path, &b, err);

	rest = kmd_buf_str(&b);
	while (rc == 0 && kmd_str_split(&rest, '\n', &line)) {
		number++;
		line = kmd_str_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (!split_line(line, &name, &value) || !is_name(kmd_str_trim(name)))
			rc = kmd_err_set(err, KMD_ECONFIG, "%s line %d is not NAME=value", s->path, number);
		else
			add(s, kmd_str_trim(name), kmd_str_trim(value), number);
	}
	drop(&b);
	return rc;
}

const struct conf_line *conf_source_find(const struct conf_source *s, struct kmd_str base, bool from_file)
{
	for (size_t i = s->count; i-- > 0;) {
		struct conf_name n = conf_name_of(s->lines[i].name);
		if (n.kind >= CONF_KEY && n.from_file == from_file && kmd_str_eq(n.base, base))
			return &s->lines[i];
	}
	return NULL;
}

void conf_source_fini(struct conf_source *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->lines[i].name);
		conf_wipe(s->lines[i].value);
	}
	free(s->lines);
}
