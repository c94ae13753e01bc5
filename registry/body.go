package registry

import "bytes"

// withoutNUL takes every NUL out of the strings of a marshalled body. The
// platform's database cannot store one: some calls answer 500 to it, others
// answer 200 and lose what was said.
func withoutNUL(body []byte) []byte {
	const nul = `\u0000`
	if !bytes.Contains(body, []byte(nul)) {
		return body
	}
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); {
		switch {
		case bytes.HasPrefix(body[i:], []byte(nul)):
			i += len(nul)
		case body[i] == '\\' && i+1 < len(body): // another escape, such as that of a backslash
			out = append(out, body[i], body[i+1])
			i += 2
		default:
			out = append(out, body[i])
			i++
		}
	}
	return out
}
