package platformauth

import "sync/atomic"

// defaultStore is the Store on [DefaultPath], the package's one documented
// default.
var defaultStore atomic.Pointer[Store]

// RefreshFromDisk re-reads the token of the workspace this process is, from
// [DefaultPath]; it relates to [Store.RefreshFromDisk] as http.Get does to
// http.Client. A program that hosts several workspaces has a Store for each.
func RefreshFromDisk() (Token, error) {
	path := DefaultPath()
	for {
		s := defaultStore.Load()
		if s == nil || s.path != path { // the first call, or another environment
			fresh := NewStore(path)
			if !defaultStore.CompareAndSwap(s, fresh) {
				continue
			}
			s = fresh
		}
		return s.RefreshFromDisk()
	}
}
