// Package storetest holds an implementation of [task.Store] against its
// contract, as testing/fstest does for file systems:
//
//	func TestStore(t *testing.T) {
//		storetest.Test(t, func(t *testing.T) task.Store { return mystore.New() })
//	}
package storetest
