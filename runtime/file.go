package runtime

// File is a file in a message or in a reply: its content or where it is, not
// both.
type File struct {
	Name      string // shown to people; may be empty
	MediaType string // such as image/png; empty means unknown
	Bytes     []byte // the content, when it travels in the message
	URL       string // where it is, when it does not
}
