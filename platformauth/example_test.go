package platformauth_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

// exampleFile is a token file in a directory of its own.
func exampleFile(content string) (path string, remove func()) {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	path = filepath.Join(dir, ".auth_token")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		panic(err)
	}
	return path, func() { _ = os.RemoveAll(dir) }
}

// The cache answers until somebody asks for the disk.
func Example() {
	path, remove := exampleFile("first-token\n")
	defer remove()
	tokens := platformauth.NewStore(path)

	token, _ := tokens.Token()
	fmt.Println(token.Reveal())

	_ = os.WriteFile(path, []byte("second-token"), 0o600) // the platform rotates it
	token, _ = tokens.Token()
	fmt.Println(token.Reveal())
	token, _ = tokens.RefreshFromDisk()
	fmt.Println(token.Reveal())

	fmt.Println("in a log:", token)
	// Output:
	// first-token
	// first-token
	// second-token
	// in a log: [redacted]
}

// Without a file there is no token, and that is an error to branch on.
func ExampleStore_Token() {
	tokens := platformauth.NewStore(filepath.Join(os.TempDir(), "no-such-directory", ".auth_token"))
	_, err := tokens.Token()
	fmt.Println(errors.Is(err, platformauth.ErrNoToken))
	// Output: true
}

// After a 401, refresh by the value that was refused: a hundred callers that
// were refused with the same token read the file once.
func ExampleStore_RefreshIf() {
	path, remove := exampleFile("first-token")
	defer remove()
	tokens := platformauth.NewStore(path)
	refused, _ := tokens.Token()

	same, _ := tokens.RefreshIf(refused)
	fmt.Println("worth another try:", same != refused)

	_ = os.WriteFile(path, []byte("second-token"), 0o600)
	fresh, _ := tokens.RefreshIf(refused)
	fmt.Println("worth another try:", fresh != refused)
	// Output:
	// worth another try: false
	// worth another try: true
}

// A registration returned a token: the platform shows it once.
func ExampleStore_Save() {
	path, remove := exampleFile("")
	defer remove()
	tokens := platformauth.NewStore(path)

	if err := tokens.Save("issued-token"); errors.Is(err, platformauth.ErrNotPersisted) {
		fmt.Println("used from memory; try again later:", err)
	}
	info, _ := os.Stat(path)
	fmt.Println(info.Mode(), tokens.Persisted())
	// Output: -rw------- true
}

// Watch keeps the cache fresh, and Changed wakes those who wait.
func ExampleStore_Watch() {
	path, remove := exampleFile("first-token")
	defer remove()
	tokens := platformauth.NewStore(path)

	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { _ = tokens.Watch(ctx) })
	defer watching.Wait()
	defer cancel()

	changed := tokens.Changed() // before looking at the value
	first, _ := tokens.Token()
	_ = platformauth.NewStore(path).Save("other-token") // as another process would
	<-changed
	second, _ := tokens.Token()
	fmt.Println(first.Reveal(), "->", second.Reveal())
	// Output: first-token -> other-token
}

// Whoever calls the workspace must show its token.
func ExampleStore_Check() {
	path, remove := exampleFile("the-token")
	defer remove()
	tokens := platformauth.NewStore(path)
	fmt.Println(tokens.Check("Bearer the-token"), tokens.Check("Bearer a-guess"), tokens.Check(""))
	// Output: true false false
}

// A program that is one workspace finds its token by the environment.
func ExampleRefreshFromDisk() {
	path, remove := exampleFile("the-token")
	defer remove()
	defer os.Setenv("CONFIGS_DIR", os.Getenv("CONFIGS_DIR"))
	os.Setenv("CONFIGS_DIR", filepath.Dir(path)) // the platform does this

	token, err := platformauth.RefreshFromDisk()
	fmt.Println(len(token.Reveal()), err)
	// Output: 9 <nil>
}
