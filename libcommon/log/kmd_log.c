#include "kmd_log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kmd_str.h"
#include "kmd_time.h"

#define BURST_NS (60 * KMD_NS_PER_S)

/* Written once at start, before threads; only read after. */
static struct {
	const char *service;
	enum kmd_log_level level;
	bool text;
} settings = {"kmd", KMD_LOG_INFO, false};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void kmd_log_init(const char *service, enum kmd_log_level level, enum kmd_log_format format)
{
	settings.service = service;
	settings.level = level;
	settings.text = format == KMD_LOG_TEXT || (format == KMD_LOG_AUTO && isatty(STDERR_FILENO));
}

/* The arguments behind the event, by pointer: an array type decays when it is passed. */
struct args {
	va_list list;
};

/* A conversion specification: where it ends, and what it takes. */
struct conversion {
	const char *end;
	enum { TAKES_NOTHING, TAKES_TEXT, TAKES_SPAN, TAKES_INT, TAKES_UINT, TAKES_LONG, TAKES_ULONG } takes;
};

/* @z stands behind the percent sign. long, long long, size_t and ssize_t are all 64 bits here. */
_Static_assert(sizeof(long) == 8 && sizeof(long long) == 8 && sizeof(size_t) == 8, "an LP64 machine");

static struct conversion read_conversion(const char *z)
{
	if (strncmp(z, ".*s", 3) == 0)
		return (struct conversion){z + 3, TAKES_SPAN};
	if (*z == 's')
		return (struct conversion){z + 1, TAKES_TEXT};
	const size_t wide = strspn(z, "lz");
	if (z[wide] == 'd')
		return (struct conversion){z + wide + 1, wide ? TAKES_LONG : TAKES_INT};
	if (z[wide] == 'u')
		return (struct conversion){z + wide + 1, wide ? TAKES_ULONG : TAKES_UINT};
	return (struct conversion){z + strlen(z), TAKES_NOTHING};
}

static void add_argument(struct kmd_buf *b, struct conversion c, struct args *args)
{
	switch (c.takes) {
	case TAKES_TEXT: {
		const char *z = va_arg(args->list, const char *);
		kmd_buf_addz(b, z ? z : "");
		break;
	}
	case TAKES_SPAN: {
		const int n = va_arg(args->list, int);
		kmd_buf_add(b, va_arg(args->list, const char *), n > 0 ? (size_t)n : 0);
		break;
	}
	case TAKES_INT:
		kmd_buf_add_i64(b, va_arg(args->list, int));
		break;
	case TAKES_UINT:
		kmd_buf_add_u64(b, va_arg(args->list, unsigned));
		break;
	case TAKES_LONG:
		kmd_buf_add_i64(b, va_arg(args->list, long));
		break;
	case TAKES_ULONG:
		kmd_buf_add_u64(b, va_arg(args->list, unsigned long));
		break;
	case TAKES_NOTHING:
		break;
	}
}

/* Renders the value of one field. @ret_number: it is an integer and nothing else. */
static void add_value(struct kmd_buf *b, const char *fmt, struct args *args, bool *ret_number)
{
	const char *percent = strchr(fmt, '%');
	*ret_number = false;
	if (!percent) {
		kmd_buf_addz(b, fmt);
		return;
	}
	const struct conversion c = read_conversion(percent + 1);
	kmd_buf_add(b, fmt, (size_t)(percent - fmt));
	add_argument(b, c, args);
	kmd_buf_addz(b, c.end);
	*ret_number = percent == fmt && *c.end == '\0' && c.takes >= TAKES_INT;
}

static bool is_bare_word(struct kmd_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '=' || s.p[i] == 0x7f)
			return false;
	return s.n > 0 && kmd_str_is_utf8(s);
}

static void add_field(struct kmd_buf *line, const char *name, struct kmd_str value, bool number)
{
	if (settings.text) {
		kmd_buf_addc(line, ' ');
		kmd_buf_addz(line, name);
		kmd_buf_addc(line, '=');
	} else {
		kmd_buf_addz(line, ",");
		kmd_buf_add_json(line, kmd_str_z(name));
		kmd_buf_addc(line, ':');
	}
	if (number || (settings.text && is_bare_word(value)))
		kmd_buf_add_str(line, value);
	else
		kmd_buf_add_json(line, value);
}

static void begin_line(struct kmd_buf *line, enum kmd_log_level level, const char *event)
{
	kmd_buf_addz(line, settings.text ? "" : "{\"time\":\"");
	kmd_time_format(line, kmd_wall_now().ns, 6);
	if (settings.text) {
		kmd_buf_addf(line, " %-5s %s %s", level_names[level], settings.service, event);
		return;
	}
	kmd_buf_addc(line, '"');
	add_field(line, "level", kmd_str_z(level_names[level]), false);
	add_field(line, "service", kmd_str_z(settings.service), false);
	add_field(line, "event", kmd_str_z(event), false);
}

void kmd_log(enum kmd_log_level level, const char *event, ...)
{
	if (level < settings.level)
		return;
	struct kmd_buf line = {0}, value = {0};
	struct args args;
	begin_line(&line, level, event);
	va_start(args.list, event);
	for (const char *name; (name = va_arg(args.list, const char *));) {
		bool number;
		kmd_buf_reset(&value);
		add_value(&value, va_arg(args.list, const char *), &args, &number);
		add_field(&line, name, kmd_buf_str(&value), number);
	}
	va_end(args.list);
	kmd_buf_addz(&line, settings.text ? "\n" : "}\n");
	const ssize_t n = write(STDERR_FILENO, line.p, line.n);
	(void)n; /* where the log cannot be written there is nobody to tell */
	kmd_buf_fini(&value);
	kmd_buf_fini(&line);
}

int kmd_burst_pass(struct kmd_burst *b, int64_t mono_ns, uint64_t *ret_suppressed)
{
	if (b->last_ns != 0 && mono_ns - b->last_ns < BURST_NS) {
		b->suppressed++;
		return 0;
	}
	*ret_suppressed = b->suppressed;
	*b = (struct kmd_burst){.last_ns = mono_ns};
	return 1;
}
