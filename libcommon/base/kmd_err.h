#ifndef KMD_ERR_H
#define KMD_ERR_H

/*
 * Result codes. Every fallible function returns 0 or a negative code; the code's class drives policy, in one switch:
 * RETRY backs off and keeps the offset, REJECT costs a dead letter and goes on, FATAL drains and ends the program.
 * Text goes to the last parameter, a struct kmd_err of the caller's (may be NULL): set where the error is born,
 * prefixed at each boundary. A bug is an assert, never a code; memory that cannot be had ends the program.
 */

#define KMD_RC_TABLE(X)                                                \
	X(KMD_EAGAIN, -1, KMD_RETRY, "peer busy or gone")              \
	X(KMD_ETIMEOUT, -2, KMD_RETRY, "timed out")                    \
	X(KMD_EPARSE, -3, KMD_REJECT, "malformed")                     \
	X(KMD_ERANGE, -4, KMD_REJECT, "out of range")                  \
	X(KMD_ETOOBIG, -5, KMD_REJECT, "too large")                    \
	X(KMD_ENOTFOUND, -6, KMD_REJECT, "not found")                  \
	X(KMD_EREFUSED, -7, KMD_RETRY, "refused by the peer")          \
	X(KMD_ECONFIG, -8, KMD_FATAL, "settings invalid")              \
	X(KMD_EFENCED, -9, KMD_REJECT, "owned by another instance")    \
	X(KMD_EFOREIGN, -10, KMD_FATAL, "belongs to another platform") \
	X(KMD_EFAULT, -11, KMD_FATAL, "internal fault")

enum kmd_rc {
	KMD_OK = 0,
#define KMD_RC_ENUM(name, value, class, text) name = (value),
	KMD_RC_TABLE(KMD_RC_ENUM)
#undef KMD_RC_ENUM
};

enum kmd_class { KMD_RETRY, KMD_REJECT, KMD_FATAL };

/* Exit codes of every program of the family. */
enum kmd_exit {
	KMD_EXIT_OK = 0,
	KMD_EXIT_USAGE = 64,
	KMD_EXIT_UNAVAILABLE = 69,
	KMD_EXIT_SOFTWARE = 70,
	KMD_EXIT_CONFIG = 78,
};

struct kmd_err {
	char text[512]; /* NUL-terminated, one line, no secrets */
};

#define KMD_MUST_CHECK __attribute__((warn_unused_result))
#define KMD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/** Class of a negative code. */
enum kmd_class kmd_rc_class(int rc);

/** Static text of a code, "ok" for 0. */
const char *kmd_rc_text(int rc);

/** Writes the text (cut if too long, control bytes replaced) unless @err is NULL. Returns @rc, so `return kmd_err_set(...)` works. */
int kmd_err_set(struct kmd_err *err, int rc, const char *fmt, ...) KMD_PRINTF(3, 4);

/** Puts "prefix: " in front of what stands in @err (may be NULL). Returns @rc. */
int kmd_err_prefix(struct kmd_err *err, int rc, const char *fmt, ...) KMD_PRINTF(3, 4);

#endif
