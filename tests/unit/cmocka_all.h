#ifndef TEST_CMOCKA_ALL_H
#define TEST_CMOCKA_ALL_H

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "kmd_str.h"

/* Text against a literal, with both shown when they differ. */
#define assert_str(s, z) \
	do { \
		const struct kmd_str str_ = (s); \
		char cut_[4096]; \
		assert_non_null(str_.p); \
		assert_true(str_.n < sizeof(cut_)); \
		memcpy(cut_, str_.p, str_.n); \
		cut_[str_.n] = '\0'; \
		assert_string_equal(cut_, z); \
	} while (0)

#endif
