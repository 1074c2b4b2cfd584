#include "schema.h"

#include <string.h>

#include "kmd_log.h"

/* Any number will do as long as every version of this program takes the same one. */
#define LOCK_SQL "SELECT pg_advisory_lock(hashtext('kalshi.migrate'), 0)"
#define UNLOCK_SQL "SELECT pg_advisory_unlock(hashtext('kalshi.migrate'), 0)"

int schema_version(void)
{
	return schema_files[schema_files_count - 1].version;
}

int schema_read(struct db *db, int *ret, struct kmd_err *err)
{
	struct kmd_pg_result *r;
	int64_t version = 0;
	int rc = db_exec(db, "SELECT max(version) FROM kalshi.schema_version", NULL, 0, &r, err);

	if (rc < 0) {
		const char *state = kmd_pg_state(db->pg);

		if (strcmp(state, "42P01") != 0 && strcmp(state, "3F000") != 0)
			return rc;
		*ret = 0; /* no such table or schema: nothing was ever applied */
		return 0;
	}
	(void)db_i64(r, 0, 0, &version); /* NULL: an empty table */
	kmd_pg_result_free(r);
	*ret = (int)version;
	return 0;
}

static int apply(struct db *db, const struct schema_file *f, struct kmd_err *err)
{
	struct kmd_buf sql = {0};
	int rc;

	kmd_buf_addf(&sql, "BEGIN;\n");
	kmd_buf_addz(&sql, f->sql);
	kmd_buf_addf(&sql, "\n;INSERT INTO kalshi.schema_version (version, name) VALUES (%d, '%s');\nCOMMIT;",
	    f->version, f->name);
	kmd_buf_addc(&sql, '\0');
	rc = kmd_pg_script(db->pg, sql.p, err);
	kmd_buf_fini(&sql);
	if (rc < 0)
		return kmd_err_prefix(err, rc, "%s", f->name);
	kmd_log(KMD_LOG_INFO, "schema_applied", "version", "%d", f->version, "name", "%s", f->name, NULL);
	return 0;
}

static int apply_missing(struct db *db, struct kmd_err *err)
{
	int version;
	int rc = schema_read(db, &version, err);

	if (rc == 0 && version > schema_version())
		return kmd_err_set(err, KMD_EREFUSED, "the database is at schema version %d, this program knows %d",
		    version, schema_version());
	for (int i = 0; i < schema_files_count && rc == 0; i++)
		if (schema_files[i].version > version)
			rc = apply(db, &schema_files[i], err);
	return rc;
}

int schema_migrate(struct db *db, struct kmd_err *err)
{
	struct kmd_err ignored;
	int rc = db_do(db, LOCK_SQL, err);

	if (rc < 0)
		return rc;
	rc = apply_missing(db, err);
	/* After a failure the server lets go of the lock with the connection. */
	if (rc == 0 && db_do(db, UNLOCK_SQL, &ignored) < 0)
		db_close(db);
	return rc;
}
