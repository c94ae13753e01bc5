package platformauth

import "sync"

// defaultStore is the Store on [DefaultPath], the package's one documented
// default.
var defaultStore = sync.OnceValue(func() *Store { return NewStore("") })

// RefreshFromDisk re-reads the token of the workspace this process is, from
// [DefaultPath] as it was at the first call; it relates to
// [Store.RefreshFromDisk] as http.Get does to http.Client.
func RefreshFromDisk() (Token, error) { return defaultStore().RefreshFromDisk() }
