// Llm is a function-calling loop over any endpoint that speaks the
// chat-completions API, with the tools of its workspace: copy it and make it
// yours.
//
// Alone it brings its own platform and a small scripted model along:
//
//	go run ./examples/llm
//
// With WORKSPACE_ID and PLATFORM_URL it is an adapter, and with the following
// it talks to a real model, on either platform:
//
//	OPENAI_BASE_URL   where; default https://api.openai.com/v1, when there is a key
//	OPENAI_API_KEY    the key; none is sent when it is unset
//	MODEL             the model; default: the one of config.yaml
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/examples/internal/demo"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

func main() {
	model := fromEnv(os.Getenv)
	if !demo.Wanted() {
		runtime.Main(&Agent{Model: model}, runtime.WithTools(), runtime.WithTurnTimeouts(30*time.Minute, 0))
	}
	if err := play(context.Background(), os.Stdout, model); err != nil {
		fmt.Fprintln(os.Stderr, "llm:", err)
		os.Exit(1)
	}
}

// fromEnv is the endpoint that the environment names; its BaseURL is empty when
// it names none.
func fromEnv(getenv func(string) string) Endpoint {
	e := Endpoint{BaseURL: getenv("OPENAI_BASE_URL"), Key: strings.TrimSpace(getenv("OPENAI_API_KEY")), Model: getenv("MODEL")}
	if e.BaseURL == "" && e.Key != "" {
		e.BaseURL = "https://api.openai.com/v1"
	}
	return e
}

// play asks one question on a platform of its own, of the scripted model when
// there is no other.
func play(ctx context.Context, out io.Writer, model Endpoint) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if model.BaseURL == "" {
		server := httptest.NewServer(http.HandlerFunc(scripted))
		defer server.Close()
		model.BaseURL = server.URL + "/v1"
		model.Model = cmp.Or(model.Model, "scripted")
	}
	stage, err := demo.Start(ctx, &Agent{Model: model}, runtime.WithTools())
	if err != nil {
		return err
	}
	defer func() {
		if closed := stage.Close(); err == nil {
			err = closed
		}
	}()
	question := "Who is there? Let one of them say hello."
	said, err := stage.Say(ctx, question)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "the user: %s\nthe agent: %s\n", question, said)
	return err
}
