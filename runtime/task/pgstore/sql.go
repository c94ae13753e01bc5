package pgstore

// layout is the version of the tables. A change of it comes with a step in
// [migrate] that brings older ones up to date.
const layout = 1

// The tables are in the first schema of the connection's search_path. Keys are
// bytea, which PostgreSQL compares byte by byte whatever the database's
// collation.
const (
	entriesTable = "workspace_runtime_entries"
	commitsTable = "workspace_runtime_commits"
	layoutTable  = "workspace_runtime_layout"
)

const (
	createSQL = `
CREATE TABLE ` + layoutTable + ` (
	layout integer NOT NULL
);
CREATE TABLE ` + entriesTable + ` (
	workspace text  COLLATE "C" NOT NULL,
	bucket    text  COLLATE "C" NOT NULL,
	key       bytea NOT NULL,
	value     bytea NOT NULL,
	PRIMARY KEY (workspace, bucket, key)
);
CREATE TABLE ` + commitsTable + ` (
	workspace text        COLLATE "C" NOT NULL,
	writer    bigint      NOT NULL,
	number    bigint      NOT NULL,
	made      boolean     NOT NULL,
	at        timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (workspace, writer, number)
);`

	// With a table in it, the statement sees what others have made since the
	// transaction began; to_regclass alone goes by what it has seen before.
	findLayoutSQL = `SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = to_regclass('` + layoutTable + `'))`
	getLayoutSQL  = `SELECT coalesce(max(layout), 0) FROM ` + layoutTable
	setLayoutSQL  = `INSERT INTO ` + layoutTable + ` VALUES ($1::integer)`

	notifySQL = `SELECT pg_notify($1::text, $2::text)`

	// No server and no network keeps a commit from being decided for so long.
	forgetSQL = `DELETE FROM ` + commitsTable + ` WHERE workspace = $1::text AND at < now() - interval '1 hour'`

	getSQL = `SELECT value FROM ` + entriesTable + ` WHERE workspace = $1::text AND bucket = $2::text AND key = $3::bytea`

	scanSQL = `SELECT key, value FROM ` + entriesTable + ` WHERE workspace = $1::text AND bucket = $2::text AND key >= $3::bytea`
)

// A commit is these four statements, sent at once. The lock comes in a statement
// of its own because the one after it must see what the holder before has left,
// and in this isolation each statement sees what is there when it begins.
const (
	beginSQL = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`
	lockSQL  = `SELECT pg_advisory_xact_lock($1::bigint)`
	doneSQL  = `COMMIT`

	// Every part sees what was there before the statement. A commit is decided
	// once: its row says how, and whoever comes later with the same number goes
	// by it. The subqueries are written so that each key is one look into the
	// index, whatever the planner thinks of the table's size.
	//
	//	$1 workspace  $2 writer  $3 number of the commit
	//	$4 numbers of earlier ones with the same operations
	//	$5 numbers of commits that were not answered: not to be made any more
	//	$6 numbers of commits that nobody will ask for again
	//	$7 $8 $9    bucket, key and value (null: none) of what has to be there
	//	$10 $11 $12 bucket, first key and first key after the ranges to remove
	//	$13 $14 $15 bucket, key and value of what to set, none of it in a range
	commitSQL = `
WITH earlier AS MATERIALIZED (
	SELECT
		(SELECT made FROM ` + commitsTable + ` WHERE workspace = $1::text AND writer = $2::bigint AND number = $3::bigint) AS this,
		EXISTS (SELECT FROM ` + commitsTable + ` WHERE workspace = $1::text AND writer = $2::bigint AND number = ANY ($4::bigint[]) AND made) AS same
), differs AS MATERIALIZED (
	SELECT min(c.at) AS at
	FROM unnest($7::text[], $8::bytea[], $9::bytea[]) WITH ORDINALITY AS c (bucket, key, value, at)
	WHERE c.value IS DISTINCT FROM (
		SELECT e.value FROM ` + entriesTable + ` e WHERE e.workspace = $1::text AND e.bucket = c.bucket AND e.key = c.key)
), verdict AS MATERIALIZED (
	SELECT
		earlier.this IS NULL AND differs.at IS NULL AS apply,
		coalesce(earlier.this, differs.at IS NULL OR earlier.same) AS made,
		coalesce(differs.at, 0) AS at
	FROM earlier, differs
), noted AS (
	INSERT INTO ` + commitsTable + ` (workspace, writer, number, made)
	SELECT $1::text, $2::bigint, $3::bigint, made FROM verdict
	UNION ALL
	SELECT $1::text, $2::bigint, n, false FROM unnest($5::bigint[]) n
	ON CONFLICT DO NOTHING
), forgotten AS (
	DELETE FROM ` + commitsTable + ` WHERE workspace = $1::text AND writer = $2::bigint AND number = ANY($6::bigint[])
), removed AS (
	DELETE FROM ` + entriesTable + ` WHERE ctid = ANY (ARRAY (
		SELECT e.place
		FROM unnest($10::text[], $11::bytea[], $12::bytea[]) AS r (bucket, first, after)
		CROSS JOIN LATERAL (
			SELECT ctid AS place FROM ` + entriesTable + `
			WHERE workspace = $1::text AND bucket = r.bucket AND key >= r.first AND key < r.after
			ORDER BY key OFFSET 0) e
		WHERE (SELECT apply FROM verdict)))
), written AS (
	INSERT INTO ` + entriesTable + ` (workspace, bucket, key, value)
	SELECT $1::text, p.bucket, p.key, p.value
	FROM unnest($13::text[], $14::bytea[], $15::bytea[]) AS p (bucket, key, value)
	WHERE (SELECT apply FROM verdict)
	ON CONFLICT (workspace, bucket, key) DO UPDATE SET value = excluded.value
)
SELECT made, at FROM verdict`
)
