#include "platform.h"

#include <string.h>

static bool differs(const char *recorded, const char *ours)
{
	return recorded && ours && strcmp(recorded, ours) != 0;
}

static int compare(
    const struct kmd_pg_result *r, const char *prefix, const char *group, const char *cluster, struct kmd_err *err)
{
	const char *of_prefix = kmd_pg_value(r, 0, 0), *of_group = kmd_pg_value(r, 0, 1),
		   *of_cluster = kmd_pg_value(r, 0, 2);

	if (!differs(of_prefix, prefix) && !differs(of_group, group) && !differs(of_cluster, cluster))
		return 0;
	return kmd_err_set(err, KMD_EFOREIGN,
	    "the database belongs to another platform: cluster %s, prefix '%s', group '%s'; this sink has cluster %s, "
	    "prefix '%s', group '%s'",
	    of_cluster ? of_cluster : "unknown", of_prefix, of_group, cluster ? cluster : "unknown", prefix, group);
}

int platform_check(struct db *db, const char *prefix, const char *group, const char *cluster, struct kmd_err *err)
{
	struct kmd_pg_result *r;
	int rc = db_exec(db, "SELECT topic_prefix, group_id, cluster_id FROM kalshi.platform", NULL, 0, &r, err);

	if (rc < 0)
		return rc;
	rc = kmd_pg_rows(r) == 1 ? compare(r, prefix, group, cluster, err) : 0;
	kmd_pg_result_free(r);
	return rc;
}

int platform_claim(struct db *db, const char *prefix, const char *group, const char *cluster, struct kmd_err *err)
{
	const char *const params[] = {prefix, group, cluster};
	int rc = db_exec(db,
	    "INSERT INTO kalshi.platform (topic_prefix, group_id, cluster_id) VALUES ($1, $2, $3) ON CONFLICT DO "
	    "NOTHING",
	    params, 3, NULL, err);

	return rc == 0 ? platform_check(db, prefix, group, cluster, err) : rc;
}
