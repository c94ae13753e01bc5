package tool_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

type lookUp struct {
	City string `json:"city" jsonschema:"the city, in English"`
	Days int    `json:"days,omitempty" jsonschema:"how many days ahead"`
}

type forecast struct {
	City    string `json:"city"`
	Degrees int    `json:"degrees"`
}

func weather(_ context.Context, in lookUp) (forecast, error) {
	if in.City == "Atlantis" {
		return forecast{}, tool.Bad("city", "is not on any map", "give a city that exists")
	}
	return forecast{in.City, 21 + in.Days}, nil
}

func ExampleNew() {
	table, err := tool.NewTable([]*tool.Tool{
		tool.New("weather", "Tells the weather of a city.", weather, tool.WithHints(tool.Hints{ReadOnly: true})),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(table.Tools()[0].InputSchema()))

	for _, input := range []string{`{"city":"Rome","days":2}`, `{"town":"Rome"}`, `{"city":"Atlantis"}`} {
		result, _ := table.Call(context.Background(), "weather", json.RawMessage(input))
		fmt.Println(result.Text)
	}
	// Output:
	// {"type":"object","properties":{"city":{"type":"string","description":"the city, in English"},"days":{"type":"integer","description":"how many days ahead"}},"required":["city"],"additionalProperties":false}
	// {"city":"Rome","degrees":23}
	// weather: wrong input: city is missing: give it: a text (the city, in English); town is not a field of this tool: leave it out; the tool takes the fields city and days
	// weather: city is not on any map: give a city that exists
}

func ExampleWithObserver() {
	observe := func(ctx context.Context, call tool.Call) (context.Context, func(tool.Outcome)) {
		return ctx, func(o tool.Outcome) { fmt.Println(call.Tool, call.Action, "failed:", o.Err != nil) }
	}
	table, err := tool.NewTable([]*tool.Tool{
		tool.New("weather", "Tells the weather of a city.", weather, tool.WithAction("weather")),
	}, tool.WithObserver(observe), tool.WithRoles(tool.NewRoles([]string{"forecaster"}, map[string][]string{"forecaster": {"weather"}})))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = table.Call(context.Background(), "weather", json.RawMessage(`{"city":"Rome"}`))
	// Output: weather weather failed: false
}

// The platform's tools, without a runtime around them.
func ExamplePlatform() {
	platform, err := registrytest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer platform.Close()
	row := platform.AddWorkspace("11111111-2222-4333-8444-555555555555")
	client, err := registry.NewClient(platform.URL(), row.ID(),
		registry.WithTransport(bearer{platform.Transport(), row.IssueToken()})) // a heartbeat.RoundTripper, in an adapter
	if err != nil {
		fmt.Println(err)
		return
	}
	table, err := tool.NewTable(tool.Platform{Client: client}.Tools(), tool.WithRoles(tool.NewRoles([]string{"operator"}, nil)))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, call := range []struct{ name, input string }{
		{"commit_memory", `{"content":"The sky is blue."}`},
		{"recall_memory", `{"scope":"SKY"}`},
		{"delegate_task", `{"workspace_id":"bob","task":"paint"}`},
	} {
		result, _ := table.Call(context.Background(), call.name, json.RawMessage(call.input))
		fmt.Println(result.IsError, result.Text[:24])
	}
	// Output:
	// false Remembered (LOCAL, gener
	// true recall_memory: wrong inp
	// true delegate_task: workspace
}
