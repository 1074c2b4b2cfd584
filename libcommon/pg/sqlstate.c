#include <string.h>

#include "kmd_pg.h"

/* The longest prefix that fits decides; what no line names is of our making: FATAL. */
static const struct {
	const char *prefix;
	enum kmd_class class;
} table[] = {
    {"", KMD_FATAL},
    /* Places and times: the server, the link, the login, the locks. */
    {"08", KMD_RETRY},    /* connection */
    {"53", KMD_RETRY},    /* resources: disk, memory, connections */
    {"57", KMD_RETRY},    /* shutdown, cancelled, statement timeout */
    {"58", KMD_RETRY},    /* I/O of the server */
    {"28", KMD_RETRY},    /* login */
    {"3D000", KMD_RETRY}, /* the database is not there (yet) */
    {"40", KMD_RETRY},    /* serialization, deadlock */
    {"55P03", KMD_RETRY}, /* lock not available */
    {"55006", KMD_RETRY}, /* object in use */
    {"25006", KMD_RETRY}, /* read-only: a standby, before or after a failover */
    {"25P03", KMD_RETRY}, /* idle in transaction too long */
    {"42501", KMD_RETRY}, /* a privilege that an operator can grant */
    {"XX", KMD_RETRY},    /* damage, internal errors: never the record's fault */
    /* What the data caused. */
    {"22", KMD_REJECT}, /* a value that its type does not take */
    {"23", KMD_REJECT}, /* constraints, no partition */
    {"54", KMD_REJECT}, /* a limit, as of an index row */
};

enum kmd_class kmd_sqlstate_class(const char *state)
{
	enum kmd_class class = KMD_FATAL;
	size_t longest = 0;

	if (!state || !*state)
		return KMD_RETRY;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const size_t n = strlen(table[i].prefix);

		if (n >= longest && strncmp(state, table[i].prefix, n) == 0) {
			longest = n;
			class = table[i].class;
		}
	}
	return class;
}
