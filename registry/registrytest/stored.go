package registrytest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
)

// stored is a JSON text as PostgreSQL gives it back: keys ordered by their
// length and then by their bytes, the last of equal ones kept, numbers as they
// were written.
type stored json.RawMessage

// MarshalJSON implements json.Marshaler.
func (s stored) MarshalJSON() ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(s))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err := writeStored(&out, v)
	return out.Bytes(), err
}

func writeStored(out *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
		out.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeStored(out, k); err != nil {
				return err
			}
			out.WriteByte(':')
			if err := writeStored(out, v[k]); err != nil {
				return err
			}
		}
		out.WriteByte('}')
		return nil
	case []any:
		out.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeStored(out, e); err != nil {
				return err
			}
		}
		out.WriteByte(']')
		return nil
	default:
		text, err := json.Marshal(v)
		out.Write(text)
		return err
	}
}
