// Package filestore keeps the tasks of package task in one file, so that they
// outlive the process:
//
//	store, err := filestore.Open("/configs/.runtime/tasks.db")
//	...
//	defer store.Close()
//	engine, err := task.Open(ctx, store, run)
//
// It is a [task.Store] over go.etcd.io/bbolt. A commit is on the disk when it
// returns: nothing that was committed is lost when the process is killed or
// the machine loses its power. One process has the file at a time.
//
// The file is looked through before it is used, since bbolt trusts what it maps
// into memory, and every value carries a checksum. A file that is not whole is
// [ErrCorrupt]; with [WithRescue] it is moved aside and a new one is begun. A
// commit that was cut off by a crash is no damage: the file is as it was before
// that commit.
package filestore
