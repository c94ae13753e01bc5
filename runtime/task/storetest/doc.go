// Package storetest holds implementations of [task.Store] against their
// contract, as testing/fstest does with file systems:
//
//	func TestStore(t *testing.T) {
//		storetest.Test(t, func(t *testing.T) task.Store {
//			store, err := mystore.Open(t.TempDir())
//			if err != nil {
//				t.Fatal(err)
//			}
//			return store
//		})
//	}
//
// [Test] tries every operation of a commit and every field of a range, keys and
// values of any bytes, refused commits, many callers at once and, with operations
// drawn by chance, long histories against a sorted map that is too simple to be
// wrong. It does not know how a store becomes durable: that a value outlives the
// process is for the store's own tests.
package storetest
