// Package pgstore keeps tasks in a PostgreSQL database, so that several
// processes of one workspace can share them:
//
//	store, err := pgstore.Open(ctx, os.Getenv("TASKS_DSN"), workspaceID)
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
// [Store.Commit] returns when the server has committed: a process that is killed
// loses nothing that was committed and keeps nothing of what was not, and neither
// does a server, as long as its fsync and synchronous_commit are on. Whoever sets
// synchronous_commit to off may lose the last moments with the server; with
// asynchronous replication they may be lost with a failover.
//
// # What is in the database
//
// Three tables in the first schema of the connection's search_path, which [Open]
// makes: workspace_runtime_entries has a row for each key of each workspace,
// workspace_runtime_commits the commits that may have to be looked up, at most a
// few hundred rows for each process, and workspace_runtime_layout the version. Any
// number of workspaces share the tables. A user without the right to make tables
// needs SELECT, INSERT, UPDATE and DELETE on tables that are there.
//
// PostgreSQL 12 is the oldest that knows all that is used; it is tested with 15.
//
// # Commits
//
// A commit is one round trip: four statements that are sent at once, so that no
// client ever holds a lock while the server waits for it. Commits of one workspace
// are made one after the other under an advisory lock, those of different
// workspaces side by side. That makes [task.Create] and [task.Expect] exact
// between processes, whatever isolation the database is set to. Deadlocks and
// serialization failures, which others that use the database may bring about, are
// tried again.
//
// Each commit leaves a row with its number, made or refused, in the transaction
// that decides it. When the connection is lost before the answer has come, the
// commit is sent again under the same number over another connection: if it had
// been decided, that is the answer; if not, it is decided now, and the first one,
// should it still be on its way, finds that row and changes nothing. Only when no
// connection can be had does the caller get [ErrUnknown]; see [Store.Commit] for
// what happens when it calls again.
//
// # Notifications
//
// [Store.Watch] tells of what other processes commit to a task, within some
// milliseconds. They are sent after the commit and at most every 10 ms: in the
// commit they would have all workspaces of the server wait for each other.
//
// # What can go wrong
//
//   - The server is away: each call is tried three times within a moment, then it
//     is an error; the next call connects anew. Nothing has to be opened again.
//   - The server or the network says nothing: an error after
//     [WithCallTimeout].
//   - Password, database, rights, a replica, too many connections: an error that
//     names the server and says what to do. It wraps the server's own
//     (*pgconn.PgError), and shows neither the password nor the connection string.
//
// # Connections
//
// A pool of pgxpool, of four connections or as many as there are processors,
// whichever is more; pool_max_conns=N in the connection string changes that, and
// two are enough for one workspace. One more listens once something is watched. With several servers in it,
// target_session_attrs=read-write finds the primary. A pooler in transaction mode
// (PgBouncer) needs default_query_exec_mode=exec, at the price of some speed, and
// lets no notifications through: followers then see what they follow when they look
// by themselves.
package pgstore
