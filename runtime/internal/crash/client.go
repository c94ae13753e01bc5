package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// client reads one turn after another, over as many connections and lives of
// the workspace as it takes.
type client struct {
	url       string
	reference string
	http      *http.Client
	fresh     time.Duration // how long after the start of a life events are still those that the store has kept
	started   time.Time     // of this life

	message  int // number of the turn's message
	task     string
	seq      uint64 // of the last event that was read
	text     strings.Builder
	finished int
	events   int
	midTurn  bool // this life began in the middle of a turn
}

func newClient(addr string, chunks int) *client {
	var reference strings.Builder
	for n := range chunks {
		reference.WriteString(chunk(n))
	}
	return &client{url: "http://" + addr, reference: reference.String(), http: &http.Client{}}
}

// read follows turns until ctx ends; first gets the time of the first event. An
// error is something that must not be, or that lasts.
func (c *client) read(ctx context.Context, first chan<- time.Time) error {
	for ctx.Err() == nil {
		if err := c.connect(ctx, first); err != nil {
			return err
		}
		select {
		case <-time.After(time.Millisecond): // nobody is there yet, or any more
		case <-ctx.Done():
		}
	}
	return nil
}

// connect makes one request and reads its events until it breaks.
func (c *client) connect(ctx context.Context, first chan<- time.Time) error {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage","params":{"message":{"messageId":"m%d","role":"ROLE_USER","parts":[{"text":"go"}]}}}`, c.message)
	if c.task != "" {
		body = fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"SubscribeToTask","params":{"id":%q}}`, c.task)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.task != "" {
		req.Header.Set("Last-Event-ID", strconv.FormatUint(c.seq, 10))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil //nolint:nilerr // the workspace is dead, and comes back
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil // it starts
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	var seq uint64
	for lines.Scan() {
		line := lines.Text()
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			if seq, err = strconv.ParseUint(id, 10, 64); err != nil {
				return err
			}
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		over, err := c.event(seq, []byte(data))
		if err != nil {
			return fmt.Errorf("message %d, event %d: %w: %s", c.message, seq, err, data)
		}
		if !c.midTurn || time.Since(c.started) > c.fresh {
			select {
			case first <- time.Now():
			default:
			}
		}
		if over {
			return nil
		}
	}
	return nil
}

// answer is what the client reads of an event.
type answer struct {
	Result struct {
		Task *struct {
			ID string `json:"id"`
		} `json:"task"`
		Artifact *struct {
			Artifact struct {
				Parts []struct {
					Text string `json:"text"`
				} `json:"parts"`
			} `json:"artifact"`
		} `json:"artifactUpdate"`
		Status *struct {
			Status struct {
				State string `json:"state"`
			} `json:"status"`
		} `json:"statusUpdate"`
	} `json:"result"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// event takes one event and reports whether the turn is over.
func (c *client) event(seq uint64, data []byte) (over bool, err error) {
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		return false, err
	}
	if a.Error != nil {
		return false, fmt.Errorf("the workspace answers %q", a.Error.Message)
	}
	if a.Result.Task != nil && c.task == "" {
		c.task = a.Result.Task.ID
	} else if seq != c.seq+1 {
		return false, fmt.Errorf("it follows event %d", c.seq)
	}
	c.seq = seq
	c.events++
	if u := a.Result.Artifact; u != nil {
		for _, p := range u.Artifact.Parts {
			c.text.WriteString(p.Text)
		}
		if !strings.HasPrefix(c.reference, c.text.String()) {
			return false, fmt.Errorf("the text differs: %q", c.text.String())
		}
	}
	if s := a.Result.Status; s != nil && s.Status.State != "TASK_STATE_WORKING" {
		if s.Status.State != "TASK_STATE_COMPLETED" || c.text.String() != c.reference {
			return false, fmt.Errorf("the turn ended as %s with %d of %d bytes", s.Status.State, c.text.Len(), len(c.reference))
		}
		c.finished++
		c.message++
		c.task, c.seq, c.midTurn = "", 0, false
		c.text.Reset()
		return true, nil
	}
	return false, nil
}
