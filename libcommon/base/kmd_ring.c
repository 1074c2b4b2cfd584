#include "kmd_ring.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kmd_mem.h"
#include "kmd_time.h"

#define RING_BYTES_MIN 64
#define RING_HEAD_BYTES sizeof(uint64_t) /* a record's size stands in front of it */
#define RING_SKIP UINT64_MAX             /* a head that says: the rest up to the end of the memory is unused */
#define CACHE_LINE 64

/*
 * Positions count bytes for ever; the place in memory is position & (cap - 1). The writer owns head, the reader tail;
 * each keeps a copy of the other's and reloads it only when that copy says full or empty.
 */
struct kmd_ring {
	char *bytes;
	size_t cap;
	int wake_fd; /* eventfd, written only when the reader sleeps */
	char apart_1[CACHE_LINE];
	_Atomic uint64_t head; /* end of what is published */
	uint64_t reserved;     /* head after the next commit */
	uint64_t tail_seen;
	char apart_2[CACHE_LINE];
	_Atomic uint64_t tail; /* begin of what is not yet popped */
	uint64_t head_seen;
	_Atomic int sleeping;
};

struct kmd_ring *kmd_ring_new(size_t capacity_bytes)
{
	struct kmd_ring *r = kmd_calloc(1, sizeof(*r));
	r->cap = RING_BYTES_MIN;
	while (r->cap < capacity_bytes)
		r->cap *= 2;
	r->bytes = kmd_alloc(r->cap);
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake_fd < 0) {
		perror("eventfd");
		abort();
	}
	return r;
}

void kmd_ring_free(struct kmd_ring *r)
{
	if (!r)
		return;
	(void)close(r->wake_fd);
	free(r->bytes);
	free(r);
}

size_t kmd_ring_record_max(const struct kmd_ring *r)
{
	return r->cap / 2 - RING_HEAD_BYTES;
}

static uint64_t *head_at(struct kmd_ring *r, uint64_t position)
{
	return (uint64_t *)(void *)(r->bytes + (position & (r->cap - 1)));
}

static uint64_t bytes_to_end(const struct kmd_ring *r, uint64_t position)
{
	return r->cap - (position & (r->cap - 1));
}

static uint64_t record_bytes(uint64_t n)
{
	return RING_HEAD_BYTES + ((n + 7) & ~UINT64_C(7));
}

void *kmd_ring_reserve(struct kmd_ring *r, size_t n)
{
	if (n > kmd_ring_record_max(r))
		return NULL;
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	const uint64_t to_end = bytes_to_end(r, head), need = record_bytes(n);
	const uint64_t skip = to_end < need ? to_end : 0;
	if (r->cap - (head - r->tail_seen) < skip + need) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (r->cap - (head - r->tail_seen) < skip + need)
			return NULL;
	}
	if (skip)
		*head_at(r, head) = RING_SKIP;
	head += skip;
	*head_at(r, head) = n;
	r->reserved = head + need;
	return head_at(r, head) + 1;
}

/*
 * Publishing and looking for a sleeper, and on the other side announcing sleep and looking for records, are
 * sequentially consistent: at least one of the two sees the other, so no record waits beside a sleeping reader.
 */
void kmd_ring_commit(struct kmd_ring *r)
{
	atomic_store(&r->head, r->reserved);
	if (atomic_load(&r->sleeping) && atomic_exchange(&r->sleeping, 0)) {
		const uint64_t one = 1;
		const ssize_t n = write(r->wake_fd, &one, sizeof(one));
		(void)n; /* full means that a wake is pending already */
	}
}

static bool is_empty(struct kmd_ring *r, uint64_t tail)
{
	if (tail == r->head_seen)
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
	return tail == r->head_seen;
}

struct kmd_str kmd_ring_peek(struct kmd_ring *r)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	if (is_empty(r, tail))
		return KMD_STR_NONE;
	if (*head_at(r, tail) == RING_SKIP) {
		tail += bytes_to_end(r, tail);
		atomic_store_explicit(&r->tail, tail, memory_order_release);
	}
	const uint64_t *head = head_at(r, tail);
	return (struct kmd_str){(const char *)(head + 1), (size_t)*head};
}

void kmd_ring_pop(struct kmd_ring *r)
{
	const uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	atomic_store_explicit(&r->tail, tail + record_bytes(*head_at(r, tail)), memory_order_release);
}

size_t kmd_ring_used_bytes(const struct kmd_ring *r)
{
	/* tail first: it never passes a head that is read after it */
	const uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	return (size_t)(atomic_load_explicit(&r->head, memory_order_acquire) - tail);
}

/* Milliseconds to sleep until @deadline_ns, rounded up; -1 for ever. */
static int left_ms(int timeout_ms, int64_t deadline_ns)
{
	if (timeout_ms < 0)
		return -1;
	const int64_t left_ns = deadline_ns - kmd_mono_now().ns;
	return left_ns <= 0 ? 0 : (int)((left_ns + KMD_NS_PER_MS - 1) / KMD_NS_PER_MS);
}

bool kmd_ring_wait(struct kmd_ring *r, int timeout_ms)
{
	const uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	if (!is_empty(r, tail))
		return true;
	const int64_t deadline_ns = kmd_mono_now().ns + timeout_ms * KMD_NS_PER_MS;
	for (;;) {
		atomic_store(&r->sleeping, 1);
		const int left = left_ms(timeout_ms, deadline_ns);
		if (atomic_load(&r->head) != tail || left == 0)
			break;
		struct pollfd fd = {.fd = r->wake_fd, .events = POLLIN};
		if (poll(&fd, 1, left) > 0) {
			uint64_t count;
			const ssize_t n = read(r->wake_fd, &count, sizeof(count));
			(void)n;
		}
	}
	atomic_store(&r->sleeping, 0);
	return !is_empty(r, tail);
}
