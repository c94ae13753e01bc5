package registrytest

import (
	"encoding/json"
	"testing"
)

// FuzzNormalise holds what the proxy promises of every body it lets pass: the
// agent gets one JSON object with an envelope, and normalising it again changes
// nothing.
func FuzzNormalise(f *testing.F) {
	for _, seed := range []string{
		`{"method":"message/send","params":{"message":{"role":"user","parts":[{"kind":"text","text":"<b>"}]}}}`,
		`{"jsonrpc":"2.0","id":12345678901234567890,"method":"tasks/get","params":{"id":"t1"}}`,
		`{"jsonrpc":null}`, `null`, `{}`, `[1]`, ``, `{"params":{"message":7}}`, `{"params":{"message":{"messageId":null}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		message, id, err := normalise(body)
		if err != nil {
			return
		}
		var v map[string]any
		if err := json.Unmarshal(message, &v); err != nil {
			t.Fatalf("%q became %q: %v", body, message, err)
		}
		if _, ok := v["jsonrpc"]; !ok {
			t.Fatalf("%q became %q, without an envelope", body, message)
		}
		again, sameID, err := normalise(message)
		if err != nil || string(again) != string(message) || sameID != id {
			t.Fatalf("%q became %q and then %q (%v)", body, message, again, err)
		}
	})
}
