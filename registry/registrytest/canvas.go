package registrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Call sends an A2A call to a workspace as the canvas does, without a caller,
// and returns the platform's answer. The platform adds the envelope.
func (p *Platform) Call(ctx context.Context, workspaceID, method string, params any) (status int, answer []byte, err error) {
	body, err := json.Marshal(map[string]any{"method": method, "params": params})
	if err != nil {
		return 0, nil, fmt.Errorf("registrytest: encode params: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL()+"/workspaces/"+workspaceID+"/a2a", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.canvas.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// Say sends text to a workspace as a user does and returns the platform's
// answer.
func (p *Platform) Say(ctx context.Context, workspaceID, text string) (status int, answer []byte, err error) {
	return p.Call(ctx, workspaceID, "message/send", map[string]any{"message": map[string]any{
		"kind": "message", "role": "user", "parts": []any{map[string]any{"kind": "text", "text": text}},
	}})
}
