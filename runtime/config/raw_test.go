package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// CFG-1: an adapter's own keys of runtime_config were dropped.
func TestTheAdaptersOwnKeysReachIt(t *testing.T) {
	c, report := parse(t, `
runtime_config:
  model: m
  provider: openai
  temperature: 0.7
  gateway_port: 9000
  nested: {a: [1, 2]}
`)
	if len(report) != 0 {
		t.Fatalf("problems:\n%s", report)
	}
	var mine struct {
		Model       string
		Provider    string
		Temperature float64
		GatewayPort int `yaml:"gateway_port"`
		Nested      struct{ A []int }
		Untouched   string
	}
	mine.Untouched = "as it was"
	if err := c.DecodeRuntime(&mine); err != nil {
		t.Fatal(err)
	}
	if mine.Model != "m" || mine.Provider != "openai" || mine.Temperature != 0.7 || mine.GatewayPort != 9000 || len(mine.Nested.A) != 2 || mine.Untouched != "as it was" {
		t.Errorf("got %+v", mine)
	}
	var fewer struct {
		Temprature float64 `yaml:"temprature"`
	}
	got := c.UnknownRuntimeKeys(&fewer)
	if len(got) != 4 || got[1].Key != "runtime_config.temperature" || got[1].Fix != "did you mean temprature?" {
		t.Errorf("unknown keys: %+v", got)
	}
	var all struct {
		Rest map[string]any `yaml:",inline"`
	}
	if got := c.UnknownRuntimeKeys(&all); len(got) != 0 {
		t.Errorf("a struct that takes all keys does not know %v", got)
	}
}

func TestDecodeRuntimeNamesThePlaceAndNotTheValue(t *testing.T) {
	c, _ := parse(t, "runtime_config:\n  gateway_port: s3cr3t\n")
	var mine struct {
		GatewayPort int `yaml:"gateway_port"`
	}
	err := c.DecodeRuntime(&mine)
	if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), "config.yaml:2:17: runtime_config.gateway_port: is a text; expected int") || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("DecodeRuntime() = %v", err)
	}
	none, _ := parse(t, "")
	if err := none.DecodeRuntime(&mine); err != nil {
		t.Errorf("DecodeRuntime() without the section = %v", err)
	}
}

func TestAConfigIsPrintedWithoutItsSecrets(t *testing.T) {
	c, report := parse(t, "runtime_config: {api_key: s3cr3t}\nhitl: {channels: [{type: slack, webhook_url: s3cr3t}]}\ninitial_prompt: s3cr3t\ntier: s3cr3t\n")
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		shown = append(shown, fmt.Sprintf(verb, c), fmt.Sprintf(verb, c.RuntimeConfig.Raw))
	}
	raw, err := json.Marshal(map[string]any{"c": c, "raw": c.RuntimeConfig})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c)
	shown = append(shown, string(raw), log.String(), report.String(), report.Err().Error())
	for _, s := range shown {
		if strings.Contains(s, "s3cr3t") {
			t.Errorf("a value is shown: %s", s)
		}
	}
}

func TestTheReportAsAPersonReadsIt(t *testing.T) {
	_, report := parse(t, "nmae: x\ntier: 9\n")
	want := `1 error, 1 warning
error: config.yaml:2:7: tier: 9 is out of range
    fix: write a number from 1 to 4
warning: config.yaml:1:1: nmae: unknown key
    fix: did you mean name?
`
	if diff := cmp.Diff(want, report.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if got := (config.Report{}).String(); got != "" {
		t.Errorf("a clean report is %q", got)
	}
}
