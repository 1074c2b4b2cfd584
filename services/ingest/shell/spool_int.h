#ifndef INGEST_SPOOL_INT_H
#define INGEST_SPOOL_INT_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "kmd_offsets.h"
#include "spool.h"

/* Shared by spool.c (the row of records), spool_dir.c (folder), spool_writer.c (thread), spool_reader.c; nobody else's.
 */

/* A small file that is written beside the segments. */
struct spool_file {
	struct spool_file *next;
	char name[128];
	size_t size;
	char bytes[];
};

/* What the writer is given: bytes for one file. */
struct spool_job {
	struct kmd_buf bytes;
	int64_t base;                  /* position of the first byte */
	struct ingest_spool_head head; /* of the segment */
	int64_t offset;                /* in the file; INGEST_SPOOL_HEAD_BYTES: a new file, its head is written first */
	struct spool_file *files;
};

enum spool_writer_state { SPOOL_IDLE, SPOOL_BUSY, SPOOL_DONE };

/* The owner fills `job` while IDLE and makes it BUSY; the thread makes it DONE; the owner makes it IDLE. */
struct spool_writer {
	int dir;
	struct spool_job job;
	_Atomic enum spool_writer_state state;
	_Atomic int error;       /* errno of the last attempt; 0: it went well */
	_Atomic int64_t written; /* positions below can be read from files */
	atomic_bool stopping, cancelled;
	int fd;
	uint64_t number; /* segment that fd is */
	sem_t work;
	pthread_t thread;
};
int spool_writer_start(struct spool_writer *w, int dir, struct kmd_err *err) KMD_MUST_CHECK;
/** The job is filled. */
void spool_writer_give(struct spool_writer *w);
/** What it was given need not be written any more. */
void spool_writer_cancel(struct spool_writer *w);
void spool_writer_stop(struct spool_writer *w);

struct spool_segment {
	struct ingest_spool_head head;
	int64_t base, end; /* positions */
};

/* A window of one segment's file. */
struct spool_reader {
	int dir, fd;
	uint64_t number; /* of the file that is open, if fd >= 0 */
	struct kmd_buf window;
	int64_t at; /* position of its first byte */
	int error;  /* errno of the last read, 0: none */
};
void spool_reader_init(struct spool_reader *r, int dir);
void spool_reader_fini(struct spool_reader *r);
/**
 * The first record at @position or behind it in @segment, of which positions below @limit are written. *ret_start,
 * *ret_size: where it stands. 1; 0: there is none; or -errno.
 */
int spool_reader_read(struct spool_reader *r, const struct spool_segment *segment, int64_t limit, int64_t position,
    struct ingest_spool_record *ret, int64_t *ret_start, size_t *ret_size);

struct spool_segments {
	struct spool_segment *items;
	size_t count, cap;
};
void spool_segments_add(struct spool_segments *list, const struct spool_segment *segment);

/** Descriptors of the folder and of its lock. */
int spool_dir_open(const char *dir, int *ret_dir, int *ret_lock, struct kmd_err *err) KMD_MUST_CHECK;
/** Segments of former lives in order; positions are given to them from 0. */
int spool_dir_list(int dir, const char *name, struct spool_segments *ret, struct kmd_err *err) KMD_MUST_CHECK;
/** @aside: renamed instead, for somebody to look at. */
void spool_dir_remove(int dir, uint64_t number, bool aside);
/** The cursor, if it is about the segment of that head: offset in its file. */
bool spool_dir_read_cursor(int dir, struct ingest_spool_head *ret_head, int64_t *ret_offset);
void spool_dir_write_cursor(int dir, const struct ingest_spool_head *head, int64_t offset);

struct ingest_spool {
	int dir, lock;
	int64_t max_bytes, life, segment_bytes;
	uint32_t salt; /* of this life's segments */
	uint64_t next_number;
	bool stopping, full;
	bool sealed;  /* nothing is appended to the last segment any more */
	bool damaged; /* the segment at the front is */
	struct spool_segments segments;
	struct spool_writer writer;
	struct spool_reader reader;
	struct kmd_buf front; /* appended, not given to the writer */
	int64_t front_base;
	struct kmd_mono front_since;
	struct spool_file *files;
	int64_t handed;
	struct kmd_offsets acks;
	int64_t shown_start; /* of the record that was shown last */
	size_t shown_size;
	struct kmd_mono cursor_due;
	int64_t cursor_told;
	int read_error; /* errno, 0: none */
	uint64_t lost;  /* bytes damaged in front of what is shown next */
	bool released;  /* the writer has no file of ours open */
};

int64_t spool_appended(const struct ingest_spool *s);
int64_t spool_acked(const struct ingest_spool *s);
/** Empties the front, which begins at @base now. */
void spool_start_front(struct ingest_spool *s, int64_t base);

#endif
