// Package platformauth keeps the bearer token of a workspace: the file it lives
// in, a cache of it, and the check of those who call the workspace with it.
//
//	tokens := platformauth.NewStore("") // $CONFIGS_DIR/.auth_token or /configs/.auth_token
//	go tokens.Watch(ctx)                // wait for it where you start it
//	rt, err := heartbeat.NewRoundTripper(platformURL, tokens)
//	if err != nil {
//		return err
//	}
//	client := &http.Client{Transport: rt} // sends the token, and a rotated one after a 401
//
// # Concepts
//
// A platform gives each workspace one token, which it writes into a file,
// .auth_token, or returns from a registration, and which it replaces whenever
// it likes. A [Store] is that file seen from the workspace: [Store.Token]
// answers from memory, [Store.RefreshFromDisk] goes back to the file,
// [Store.RefreshIf] does so only if nobody has since a certain token was
// refused, [Store.Save] writes a token that a registration returned, and
// [Store.Watch] notices what others write. [Store.Changed] tells all who wait
// that the token is another one now, whoever found out.
//
// A [Token] is redacted wherever it is printed, logged or encoded;
// [Token.Reveal] is the one way to its text.
//
// # The file
//
// It holds the bare token; white space around it, line ends of any system and a
// byte order mark are dropped. What could not travel in an HTTP header is
// refused, as is a file over [MaxTokenSize], a directory or a pipe.
//
// Others may write it any way they like: renamed into place, in place and not
// atomically (as the platform does), swapped through a symbolic link (as
// Kubernetes does), deleted and made again, in a directory that does not exist
// yet. This package itself writes a temporary file, syncs it and renames it,
// with mode 0600, and never through a link.
//
// # When something fails
//
//   - No file, or an empty one: the token is gone, the error is [ErrNoToken],
//     and [Store.Authorization] returns nothing so that calls go out without,
//     which is how a workspace registers for the first time.
//   - A file that cannot be read, or that holds something else: the token in
//     hand stays; whoever refreshes is told why.
//   - A token that cannot be saved: it is used from memory, [ErrNotPersisted]
//     says so and [Store.Persisted] keeps saying so, until a Save succeeds or
//     the disk holds a newer one.
//   - A system that cannot watch: the file is looked at every 200 ms, and the
//     logger is told once.
//   - A disk that hangs: only those wait who want the disk.
//   - A platform that refuses every call: one look at the file's size and time
//     per call, one read per 50 ms at most.
//
// A 401 is never a reason to forget a token or to touch its file.
//
// # Several in one process
//
// Stores are independent and hold no goroutine; a thousand of them are a
// thousand small structs. All their Watches share one handle of the system's,
// which the first opens and the last closes. [RefreshFromDisk] without a Store
// is for programs that are one workspace.
package platformauth
