package registry

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxEvent bounds one event: the largest carries an agent's whole answer.
const maxEvent = platformCut + 64<<10

var errEventTooLarge = fmt.Errorf("%w: an event has more than %d bytes", ErrTooLarge, maxEvent)

// sseReader takes server-sent events apart (WHATWG HTML, section 9.2.6). The
// platform sends nothing but data and comments.
type sseReader struct {
	r    *bufio.Reader
	line []byte
}

func newSSEReader(r io.Reader) *sseReader { return &sseReader{r: bufio.NewReader(r)} }

// next returns the data of the next event. The end of the stream is never part
// of an event: what came without the blank line that ends it is dropped.
func (s *sseReader) next() ([]byte, error) {
	var data []byte
	some := false
	for {
		line, err := s.readLine(maxEvent - len(data))
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			if some {
				return data, nil
			}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		if string(field) != "data" { // a comment has an empty field
			continue
		}
		if some {
			data = append(data, '\n')
		}
		data, some = append(data, bytes.TrimPrefix(value, []byte(" "))...), true
	}
}

// readLine returns the next line without its end, which is LF or CR LF; the
// platform never sends a CR alone.
func (s *sseReader) readLine(most int) ([]byte, error) {
	s.line = s.line[:0]
	for {
		part, err := s.r.ReadSlice('\n')
		s.line = append(s.line, part...)
		switch {
		case len(s.line) > most+len("data: \r\n"):
			return nil, errEventTooLarge
		case err == nil:
			return bytes.TrimSuffix(bytes.TrimSuffix(s.line, []byte("\n")), []byte("\r")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF // a stream has no good end
		default:
			return nil, err
		}
	}
}

func readSSEEvent(data []byte) (Event, error) {
	var wire struct {
		Type      string          `json:"type"`
		Timestamp int64           `json:"timestamp"` // Unix milliseconds
		Data      json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return Event{}, fmt.Errorf("an event is not the JSON it should be: %w", err)
	}
	if wire.Type == "" {
		return Event{}, errors.New("an event has no type")
	}
	return Event{Type: wire.Type, Time: time.UnixMilli(wire.Timestamp), Payload: wire.Data}, nil
}

// isEventStream reads a Content-Type.
func isEventStream(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "text/event-stream")
}
