#include "kmd_err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum kmd_class kmd_rc_class(int rc)
{
	switch (rc) {
#define KMD_RC_CLASS(name, value, class, text) \
	case value: \
		return class;
		KMD_RC_TABLE(KMD_RC_CLASS)
#undef KMD_RC_CLASS
	default:
		return KMD_FATAL; /* a code that is in no table is a fault of ours */
	}
}

const char *kmd_rc_text(int rc)
{
	switch (rc) {
	case KMD_OK:
		return "ok";
#define KMD_RC_TEXT(name, value, class, text) \
	case value: \
		return text;
		KMD_RC_TABLE(KMD_RC_TEXT)
#undef KMD_RC_TEXT
	default:
		return "unknown code";
	}
}

/* Texts of peers may hold line ends and worse; a log line and a one-line error must not. */
static void replace_control_bytes(char *z)
{
	for (; *z; z++)
		if ((unsigned char)*z < 0x20 || *z == 0x7f)
			*z = ' ';
}

int kmd_err_set(struct kmd_err *err, int rc, const char *fmt, ...)
{
	if (!err)
		return rc;
	/* by way of a copy: an argument may be the text that stands there */
	struct kmd_err fresh;
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(fresh.text, sizeof(fresh.text), fmt, args);
	va_end(args);
	replace_control_bytes(fresh.text);
	*err = fresh;
	return rc;
}

/* Appends as much of @z as there is room for. */
static void append(struct kmd_err *err, const char *z)
{
	const size_t n = strlen(err->text), more = strnlen(z, sizeof(err->text) - 1 - n);
	memcpy(err->text + n, z, more);
	err->text[n + more] = '\0';
}

int kmd_err_prefix(struct kmd_err *err, int rc, const char *fmt, ...)
{
	if (!err)
		return rc;
	struct kmd_err fresh;
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(fresh.text, sizeof(fresh.text), fmt, args);
	va_end(args);
	append(&fresh, ": ");
	append(&fresh, err->text);
	replace_control_bytes(fresh.text);
	*err = fresh;
	return rc;
}
