#include "kmd_mem.h"
#include "kmd_str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_BYTES_MIN 64

struct kmd_str kmd_buf_str(const struct kmd_buf *b)
{
	return (struct kmd_str){b->p, b->n};
}

char *kmd_buf_reserve(struct kmd_buf *b, size_t more)
{
	if (b->cap - b->n < more || !b->p) {
		size_t cap = b->cap ? b->cap : BUF_BYTES_MIN;
		while (cap - b->n < more)
			if (__builtin_mul_overflow(cap, (size_t)2, &cap))
				abort();
		b->p = kmd_realloc(b->p, cap);
		b->cap = cap;
	}
	return b->p + b->n;
}

void kmd_buf_add(struct kmd_buf *b, const void *p, size_t n)
{
	char *at = kmd_buf_reserve(b, n);
	if (n)
		memcpy(at, p, n);
	b->n += n;
}

void kmd_buf_add_str(struct kmd_buf *b, struct kmd_str s)
{
	kmd_buf_add(b, s.p, s.n);
}

void kmd_buf_addz(struct kmd_buf *b, const char *z)
{
	kmd_buf_add(b, z, strlen(z));
}

void kmd_buf_addc(struct kmd_buf *b, char c)
{
	*kmd_buf_reserve(b, 1) = c;
	b->n++;
}

void kmd_buf_addf(struct kmd_buf *b, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	const int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n > 0) {
		char *at = kmd_buf_reserve(b, (size_t)n + 1);
		(void)vsnprintf(at, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void kmd_buf_add_u64(struct kmd_buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	kmd_buf_add(b, digits + at, sizeof(digits) - at);
}

void kmd_buf_add_i64(struct kmd_buf *b, int64_t v)
{
	if (v < 0)
		kmd_buf_addc(b, '-');
	kmd_buf_add_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void kmd_buf_reset(struct kmd_buf *b)
{
	b->n = 0;
}

void kmd_buf_fini(struct kmd_buf *b)
{
	free(b->p);
	*b = (struct kmd_buf){0};
}
