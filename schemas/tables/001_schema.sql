-- The schema and the two roles that a platform grants to whoever connects: kmd_writer is what the running sink needs and
-- no more, kmd_reader selects. Both are NOLOGIN. Roles belong to the whole cluster, so another database may have made
-- them already, even at this moment.

CREATE SCHEMA kalshi;

DO $$
DECLARE
	wanted text;
BEGIN
	FOREACH wanted IN ARRAY ARRAY['kmd_writer', 'kmd_reader'] LOOP
		CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = wanted);
		BEGIN
			EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
		EXCEPTION
			WHEN duplicate_object OR unique_violation THEN
				NULL;
			WHEN insufficient_privilege THEN
				RAISE EXCEPTION 'role % does not exist and % may not create roles: have it made with CREATE ROLE % NOLOGIN',
					wanted, current_user, wanted USING ERRCODE = 'insufficient_privilege';
		END;
	END LOOP;
END
$$;

-- Which files of this folder have been applied. The sink is not ready while max(version) is not the one it was built for.
CREATE TABLE kalshi.schema_version (
	version int PRIMARY KEY,
	name text NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT now()
);

-- One database belongs to one cluster, prefix and group; written by the first sink that reaches it.
CREATE TABLE kalshi.platform (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	topic_prefix text NOT NULL,
	group_id text NOT NULL,
	cluster_id text,
	recorded_at timestamptz NOT NULL DEFAULT now()
);
