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

static bool needs_escape(char c)
{
	return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

static void add_escaped(struct kmd_buf *b, char c)
{
	static const char hex[] = "0123456789abcdef", letters[] = "btn?fr"; /* 0x08 to 0x0d */
	const unsigned char u = (unsigned char)c;
	if (u >= 0x20) {
		const char pair[] = {'\\', c};
		kmd_buf_add(b, pair, sizeof(pair));
	} else if (u >= 0x08 && u <= 0x0d && u != 0x0b) {
		const char pair[] = {'\\', letters[u - 0x08]};
		kmd_buf_add(b, pair, sizeof(pair));
	} else {
		const char six[] = {'\\', 'u', '0', '0', hex[u >> 4], hex[u & 15]};
		kmd_buf_add(b, six, sizeof(six));
	}
}

/* @s is well-formed UTF-8. */
static void add_json_content(struct kmd_buf *b, struct kmd_str s)
{
	size_t begin = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (!needs_escape(s.p[i]))
			continue;
		kmd_buf_add(b, s.p + begin, i - begin);
		add_escaped(b, s.p[i]);
		begin = i + 1;
	}
	kmd_buf_add(b, s.p + begin, s.n - begin);
}

void kmd_buf_add_json(struct kmd_buf *b, struct kmd_str s)
{
	kmd_buf_addc(b, '"');
	while (s.n) {
		const size_t good = kmd_str_utf8_prefix(s);
		add_json_content(b, (struct kmd_str){s.p, good});
		if (good < s.n)
			kmd_buf_addz(b, "\xef\xbf\xbd");
		const size_t done = good < s.n ? good + 1 : good;
		s = (struct kmd_str){s.p + done, s.n - done};
	}
	kmd_buf_addc(b, '"');
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
