// Package filestore keeps tasks in a file, so that they outlive the process:
//
//	store, replaced, err := filestore.OpenOrReplace("/var/lib/agent/tasks.db")
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//	if replaced != nil {
//		logger.Error("tasks are lost", "file", replaced.Path, "error", replaced.Cause)
//	}
//
// The file is one of go.etcd.io/bbolt, a tree of pages that a commit copies where
// it changes them. [Store.Commit] returns when the disk has it: a process that is
// killed, or a machine that stops, loses nothing that was committed and keeps
// nothing of what was not. One process has a file at a time.
//
// # What can go wrong
//
//   - The file is in use: [ErrLocked].
//   - A commit did not come to its end: the file is opened as the commit before
//     has left it. That is no error.
//   - The file is damaged: [ErrCorrupt], whether that is seen when it is opened,
//     since all of its structure is checked then, or when a value is read, each
//     of which has a checksum. [OpenOrReplace] starts anew with an empty file.
//   - It was written by a newer version or another program: [ErrFormat].
//   - The disk is full, permissions are missing, the file system is read-only:
//     an error that says so and wraps that of the operating system, for
//     errors.Is with fs.ErrPermission or syscall.ENOSPC.
//
// Nothing of it is a panic. What cannot be found out is an entry that has gone
// from a page which is otherwise in order. A file that somebody else writes to or
// cuts while it is open may still bring the process down or let calls wait for
// ever: bbolt follows pages that lead in circles, and keeps its locks when it
// panics at the begin of a transaction while others are under way.
//
// # Size
//
// Pages that are free are used again, so the file is as large as the most it ever
// held, and does not shrink. It is mapped into memory, 1 GiB of addresses at
// least, of which only what is read takes room, as other files do in the cache of
// the operating system.
package filestore
