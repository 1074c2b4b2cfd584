#ifndef SINK_SCHEMA_H
#define SINK_SCHEMA_H

#include "db.h"

/* The schema: the files of schemas/tables/, built into the program, and what the database has of them. */

struct schema_file {
	int version; /* its number */
	const char *name;
	const char *sql;
};

/* In order of their numbers; generated at build time. */
extern const struct schema_file schema_files[];
extern const int schema_files_count;

/** The version this program needs. */
int schema_version(void);
/** What the database has: 0, none; *@ret is set when 0 is returned. Codes of class RETRY else. */
int schema_read(struct db *db, int *ret, struct kmd_err *err) KMD_MUST_CHECK;
/** Applies what is missing, each file in a transaction, under a lock that lets one at a time do it. KMD_EREFUSED: the
 * database is newer. */
int schema_migrate(struct db *db, struct kmd_err *err) KMD_MUST_CHECK;

#endif
