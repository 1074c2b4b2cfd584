#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kmd_log.h"
#include "spool_int.h"

/* The thread that waits for the disk. */

#define AGAIN_NS (200 * 1000 * 1000) /* between attempts of a write that fails */
#define FILE_MODE 0640

static int write_at(int fd, const char *p, size_t n, int64_t offset)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -1;
		p += done;
		n -= (size_t)done;
		offset += done;
	}
	return 0;
}

static void close_file(struct spool_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

/* The name is synced too, or a power cut could take the whole file. */
static int begin_file(struct spool_writer *w)
{
	struct kmd_buf head = {0};
	int rc;

	ingest_spool_head_encode(&w->job.head, &head);
	rc = write_at(w->fd, head.p, head.n, 0);
	kmd_buf_fini(&head);
	return rc == 0 ? fsync(w->dir) : rc;
}

static int open_file(struct spool_writer *w)
{
	const struct spool_job *j = &w->job;
	const bool fresh = j->offset == INGEST_SPOOL_HEAD_BYTES;
	char name[INGEST_SPOOL_NAME_MAX];
	int failed;

	if (w->fd >= 0 && w->number == j->head.number)
		return 0;
	close_file(w);
	ingest_spool_name(j->head.number, name);
	w->fd = openat(w->dir, name, O_WRONLY | O_CLOEXEC | (fresh ? O_CREAT | O_TRUNC : 0), FILE_MODE);
	if (w->fd < 0)
		return -1;
	w->number = j->head.number;
	if (!fresh || begin_file(w) == 0)
		return 0;
	failed = errno;
	close_file(w);
	errno = failed;
	return -1;
}

/* A sync that failed says nothing about the pages: all of the batch is written again. No bytes: the file is let go. */
static int attempt(struct spool_writer *w)
{
	const struct spool_job *j = &w->job;

	if (j->bytes.n == 0) {
		close_file(w);
		return 0;
	}
	if (open_file(w) < 0 || write_at(w->fd, j->bytes.p, j->bytes.n, j->offset) < 0)
		return -1;
	atomic_store(&w->written, j->base + (int64_t)j->bytes.n);
	return fdatasync(w->fd);
}

static int write_file(struct spool_writer *w, const struct spool_file *f)
{
	int fd = openat(w->dir, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	int rc = fd < 0 ? -1 : write_at(fd, f->bytes, f->size, 0);

	if (rc == 0)
		rc = fdatasync(fd);
	if (fd >= 0)
		close(fd);
	return rc == 0 ? renameat(w->dir, "new", w->dir, f->name) : rc;
}

static void keep_files(struct spool_writer *w)
{
	struct spool_file *f;

	while ((f = w->job.files)) {
		if (strchr(f->name, '/'))
			mkdirat(w->dir, "refused", 0750);
		if (write_file(w, f) < 0)
			kmd_log(KMD_LOG_ERROR, "file_not_kept", "file", "%s", f->name, "error", "%s", strerror(errno),
			    NULL);
		w->job.files = f->next;
		free(f);
	}
}

static void work(struct spool_writer *w)
{
	const struct timespec pause = {0, AGAIN_NS};

	keep_files(w);
	while (attempt(w) < 0) {
		atomic_store(&w->error, errno);
		if (atomic_load(&w->cancelled) || atomic_load(&w->stopping))
			return;
		nanosleep(&pause, NULL);
	}
	atomic_store(&w->error, 0);
}

static void *run(void *arg)
{
	struct spool_writer *w = arg;

	for (;;) {
		while (sem_wait(&w->work) < 0)
			continue;
		if (atomic_load(&w->state) == SPOOL_BUSY) {
			work(w);
			atomic_store(&w->state, SPOOL_DONE);
		}
		if (atomic_load(&w->stopping))
			break;
	}
	close_file(w);
	return NULL;
}

int spool_writer_start(struct spool_writer *w, int dir, struct kmd_err *err)
{
	w->dir = dir;
	w->fd = -1;
	sem_init(&w->work, 0, 0);
	if (pthread_create(&w->thread, NULL, run, w) != 0)
		return kmd_err_set(err, KMD_EFAULT, "no thread can be started");
	return 0;
}

void spool_writer_give(struct spool_writer *w)
{
	atomic_store(&w->cancelled, false);
	atomic_store(&w->state, SPOOL_BUSY);
	sem_post(&w->work);
}

void spool_writer_cancel(struct spool_writer *w)
{
	atomic_store(&w->cancelled, true);
}

void spool_writer_stop(struct spool_writer *w)
{
	atomic_store(&w->stopping, true);
	sem_post(&w->work);
	pthread_join(w->thread, NULL);
	sem_destroy(&w->work);
}
