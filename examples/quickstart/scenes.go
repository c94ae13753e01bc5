package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

// teller prints what happens, with the time since the beginning.
func teller(out io.Writer) func(format string, args ...any) {
	begin := time.Now()
	return func(format string, args ...any) {
		fmt.Fprintf(out, "%6d ms  %s\n", time.Since(begin).Milliseconds(), fmt.Sprintf(format, args...))
	}
}

// registers waits until the workspace is registered and has beaten.
func registers(ctx context.Context, tell func(string, ...any), p *registrytest.Platform, row *registrytest.Workspace, dir string) error {
	if err := p.Await(ctx, func() bool { return row.Status() == "online" && len(row.Heartbeats()) > 0 }); err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(dir, ".auth_token"))
	if err != nil {
		return err
	}
	tell("registered: the platform issued token #%d, now on disk with mode %04o; status %s, first heartbeat accepted",
		row.Generation(), info.Mode().Perm(), row.Status())
	return nil
}

// streams sends one message through the platform, as its users do, and one
// straight to the workspace to watch the chunks arrive.
func streams(ctx context.Context, tell func(string, ...any), p *registrytest.Platform, agentURL string) error {
	status, answer, err := p.Call(ctx, workspaceID, "message/stream", message("hello through the platform"))
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("the platform answered %d: %s", status, answer)
	}
	text, chunks, err := readStream(bytes.NewReader(answer), nil)
	if err != nil {
		return err
	}
	tell("a user's message, streamed through the platform: %q in %d chunks (the platform hands them over together)", text, chunks)

	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "message/stream", "params": message("hello directly")})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, agentURL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, _, err = readStream(resp.Body, func(chunk string) { tell("  a chunk, straight from the workspace: %q", chunk) }); err != nil {
		return err
	}
	return nil
}

func message(text string) map[string]any {
	return map[string]any{"message": map[string]any{
		"kind": "message", "role": "user", "messageId": fmt.Sprintf("quickstart-%d", time.Now().UnixNano()),
		"parts": []any{map[string]any{"kind": "text", "text": text}},
	}}
}

// readStream collects the text of a stream of A2A 0.3 events.
func readStream(r io.Reader, each func(chunk string)) (text string, chunks int, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var event struct {
			Error  *struct{ Message string }
			Result struct {
				Kind     string
				Artifact struct{ Parts []struct{ Text string } }
			}
		}
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return "", 0, fmt.Errorf("an event is no JSON: %w", err)
		}
		if event.Error != nil {
			return "", 0, errors.New("the workspace answered: " + event.Error.Message)
		}
		for _, part := range event.Result.Artifact.Parts {
			text += part.Text
			chunks++
			if each != nil {
				each(part.Text)
			}
		}
	}
	return text, chunks, lines.Err()
}

// rotates takes the token away and writes the new one late, in two halves, as
// the real platform does when it restarts a workspace.
func rotates(ctx context.Context, tell func(string, ...any), p *registrytest.Platform, row *registrytest.Workspace, dir string) error {
	rotation := row.RotateFile(registrytest.Rotation{
		Path: filepath.Join(dir, ".auth_token"),
		Lag:  1200 * time.Millisecond,
		Torn: 3 * time.Millisecond,
	})
	rotated := time.Now()
	tell("the platform rotates the token: #%d is valid now, but the file still holds #%d", row.Generation(), row.Generation()-1)

	refused := func() (first registrytest.Request, n int) {
		for _, r := range p.Requests() {
			if r.At.After(rotated) && r.Status == http.StatusUnauthorized {
				if n++; n == 1 {
					first = r
				}
			}
		}
		return first, n
	}
	if err := p.Await(ctx, func() bool { _, n := refused(); return n > 0 }); err != nil {
		return err
	}
	first, _ := refused()
	tell("401: %s %s with token #%d; the file was read again at once, and it still holds #%d: now it is watched",
		first.Method, first.Path, first.TokenGen, first.TokenGen)

	select {
	case <-rotation.Written:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := rotation.Err(); err != nil {
		return err
	}
	tell("the file is written, %d ms after the rotation, in place and in two halves", rotation.At().Sub(rotated).Milliseconds())

	accepted := func() (registrytest.Beat, bool) {
		b := row.LastHeartbeat()
		return b, b.TokenGen == row.Generation()
	}
	if err := p.Await(ctx, func() bool { _, ok := accepted(); return ok }); err != nil {
		return err
	}
	for _, b := range row.Heartbeats() {
		if b.TokenGen == row.Generation() {
			_, n := refused()
			took := max(0, b.At.Sub(rotation.At())) // the file is seen before its writer has closed it
			tell("accepted: a heartbeat with token #%d, %.1f ms after the file was written (%d requests were refused in between)",
				b.TokenGen, float64(took.Microseconds())/1000, n)
			break
		}
	}
	return nil
}

// stop ends the workspace's life and waits for it.
func stop(end func(), over <-chan error) error {
	end()
	if err := <-over; err != nil {
		return fmt.Errorf("the workspace ended with: %w", err)
	}
	return nil
}
