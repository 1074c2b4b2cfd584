#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_pg.h"

int64_t kmd_pg_copy_row_of(const char *context)
{
	const char *at = context ? strstr(context, "COPY ") : NULL;

	/* "COPY orderbook_deltas, line 12, column n"; the word is the server's language's, the number stands behind
	 * the table. */
	at = at ? strchr(at, ',') : NULL;
	at = at ? at + strcspn(at, "0123456789\n") : NULL;
	return at && isdigit((unsigned char)*at) ? strtoll(at, NULL, 10) : 0;
}
