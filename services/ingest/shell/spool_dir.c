#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "kmd_log.h"
#include "kmd_mem.h"
#include "spool_int.h"

/* The folder of a spool. */

#define SETTING "KMD_INGEST_SPOOL_DIR"
#define FOLDER_MODE 0750
#define FILE_MODE 0640
#define CURSOR_NAME "cursor"
#define READ_BYTES (64 * 1024)

static int complain(struct kmd_err *err, const char *dir, const char *what)
{
	return kmd_err_set(err, KMD_ECONFIG, SETTING "=%.200s: %s: %s", dir, what, strerror(errno));
}

/* The nearest folder above @path that is there. */
static void go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		strcpy(path, ".");
	else if (slash == path)
		path[1] = '\0';
	else
		*slash = '\0';
}

int ingest_spool_check(const char *dir, struct kmd_err *err)
{
	char *path = kmd_strndup(dir, strlen(dir));
	struct stat st = {0};
	int rc = 0;

	if (!*dir)
		rc = kmd_err_set(err, KMD_ECONFIG, SETTING ": empty");
	while (rc == 0 && stat(path, &st) < 0) {
		if (errno != ENOENT)
			rc = complain(err, dir, "cannot be used");
		go_up(path);
	}
	if (rc == 0 && !S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		rc = complain(err, dir, "cannot be used");
	}
	if (rc == 0 && access(path, W_OK | X_OK) < 0)
		rc = complain(err, dir, strcmp(path, dir) == 0 ? "cannot be written" : "cannot be made");
	free(path);
	return rc;
}

static int make_folders(const char *dir)
{
	char *path = kmd_strndup(dir, strlen(dir));
	int rc = 0;

	for (char *p = path + 1; rc == 0 && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		rc = mkdir(path, FOLDER_MODE) < 0 && errno != EEXIST ? -1 : 0;
		*p = '/';
	}
	if (rc == 0)
		rc = mkdir(path, FOLDER_MODE) < 0 && errno != EEXIST ? -1 : 0;
	free(path);
	return rc;
}

static int lock_folder(int dir, const char *name, int *ret_lock, struct kmd_err *err)
{
	int lock = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);

	if (lock < 0)
		return complain(err, name, "cannot be written");
	if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		int rc = errno == EWOULDBLOCK
			     ? kmd_err_set(err, KMD_ECONFIG, SETTING "=%.200s: used by another process", name)
			     : complain(err, name, "cannot be locked");
		close(lock);
		return rc;
	}
	*ret_lock = lock;
	return 0;
}

int spool_dir_open(const char *dir, int *ret_dir, int *ret_lock, struct kmd_err *err)
{
	int fd, rc;

	if (make_folders(dir) < 0)
		return complain(err, dir, "cannot be made");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return complain(err, dir, "cannot be opened");
	rc = lock_folder(fd, dir, ret_lock, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	*ret_dir = fd;
	return 0;
}

void spool_segments_add(struct spool_segments *list, const struct spool_segment *segment)
{
	if (list->count == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 16;
		list->items = kmd_realloc(list->items, list->cap * sizeof(*list->items));
	}
	list->items[list->count++] = *segment;
}

void spool_dir_remove(int dir, uint64_t number, bool aside)
{
	char name[INGEST_SPOOL_NAME_MAX], kept[INGEST_SPOOL_NAME_MAX + 16];
	int rc;

	ingest_spool_name(number, name);
	snprintf(kept, sizeof(kept), "%s.damaged", name);
	rc = aside ? renameat(dir, name, dir, kept) : unlinkat(dir, name, 0);
	if (rc < 0 && errno != ENOENT)
		kmd_log(
		    KMD_LOG_ERROR, "spool_segment_stays", "segment", "%s", name, "error", "%s", strerror(errno), NULL);
}

/* 1: there it is; 0: a file without a head, as a crash leaves it. */
static int read_head(int dir, uint64_t number, struct spool_segment *ret, const char *name, struct kmd_err *err)
{
	char file[INGEST_SPOOL_NAME_MAX], bytes[INGEST_SPOOL_HEAD_BYTES];
	struct stat st;
	ssize_t n = 0;
	int fd, rc;

	ingest_spool_name(number, file);
	fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || (n = pread(fd, bytes, sizeof(bytes), 0)) < 0) {
		rc = complain(err, name, file);
	} else {
		rc = ingest_spool_head_decode((struct kmd_str){bytes, (size_t)n}, &ret->head);
		if (rc == KMD_ERANGE)
			rc = kmd_err_set(
			    err, KMD_ECONFIG, SETTING "=%.200s: %s is of a version that is not known here", name, file);
		else
			rc = rc == 0 && ret->head.number == number ? 1 : 0;
		ret->end = st.st_size - INGEST_SPOOL_HEAD_BYTES;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

static int by_number(const void *a, const void *b)
{
	const struct spool_segment *x = a, *y = b;

	return (x->head.number > y->head.number) - (x->head.number < y->head.number);
}

static int collect(int dir, const char *name, DIR *d, struct spool_segments *ret, struct kmd_err *err)
{
	const struct dirent *e;
	int rc = 0;

	while (rc >= 0 && (e = readdir(d))) {
		struct spool_segment segment = {0};
		uint64_t number;

		if (!ingest_spool_name_parse(e->d_name, &number))
			continue;
		rc = read_head(dir, number, &segment, name, err);
		if (rc > 0) {
			spool_segments_add(ret, &segment);
		} else if (rc == 0) {
			kmd_log(KMD_LOG_WARN, "spool_segment_without_head", "segment", "%s", e->d_name, NULL);
			spool_dir_remove(dir, number, true);
		}
	}
	return rc < 0 ? rc : 0;
}

int spool_dir_list(int dir, const char *name, struct spool_segments *ret, struct kmd_err *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int64_t base = 0;
	int rc;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return complain(err, name, "cannot be read");
	}
	rc = collect(dir, name, d, ret, err);
	closedir(d);
	if (ret->count > 1)
		qsort(ret->items, ret->count, sizeof(*ret->items), by_number);
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i].base = base;
		ret->items[i].end += base;
		base = ret->items[i].end;
	}
	return rc;
}

void ingest_spool_kept(const struct ingest_spool *s, const char *name, struct kmd_buf *out)
{
	int fd = openat(s->dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	while ((n = read(fd, kmd_buf_reserve(out, READ_BYTES), READ_BYTES)) > 0)
		out->n += (size_t)n;
	close(fd);
}

/* The cursor is a segment's head with an offset and a checksum behind it. */
#define CURSOR_BYTES (INGEST_SPOOL_HEAD_BYTES + 12)

bool spool_dir_read_cursor(int dir, struct ingest_spool_head *ret_head, int64_t *ret_offset)
{
	int fd = openat(dir, CURSOR_NAME, O_RDONLY | O_CLOEXEC);
	char bytes[CURSOR_BYTES];
	uint32_t crc;
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, bytes, sizeof(bytes));
	close(fd);
	if (n != CURSOR_BYTES)
		return false;
	memcpy(&crc, bytes + CURSOR_BYTES - 4, 4);
	memcpy(ret_offset, bytes + INGEST_SPOOL_HEAD_BYTES, 8);
	return crc == ingest_crc32c(0, bytes, CURSOR_BYTES - 4) &&
	       ingest_spool_head_decode((struct kmd_str){bytes, INGEST_SPOOL_HEAD_BYTES}, ret_head) == 0;
}

void spool_dir_write_cursor(int dir, const struct ingest_spool_head *head, int64_t offset)
{
	int fd = openat(dir, CURSOR_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, FILE_MODE);
	struct kmd_buf bytes = {0};
	uint32_t crc;

	if (fd < 0)
		return;
	ingest_spool_head_encode(head, &bytes);
	kmd_buf_add(&bytes, &offset, sizeof(offset));
	crc = ingest_crc32c(0, bytes.p, bytes.n);
	kmd_buf_add(&bytes, &crc, sizeof(crc));
	if (pwrite(fd, bytes.p, bytes.n, 0) != (ssize_t)bytes.n)
		unlinkat(dir, CURSOR_NAME, 0);
	kmd_buf_fini(&bytes);
	close(fd);
}
