package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

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
	c, report := parse(t, "runtime_config: {api_key: s3cr3t, args: [--key, s3cr3t]}\nhitl: {channels: [{type: slack, webhook_url: s3cr3t}]}\ninitial_prompt: s3cr3t\ntier: s3cr3t\n")
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{c, *c, c.RuntimeConfig, c.RuntimeConfig.Raw, c.HITL, c.HITL.Channels[0]} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
	}
	raw, err := json.Marshal(map[string]any{"c": c, "value": *c, "section": c.RuntimeConfig, "hitl": c.HITL})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c, "value", *c, "section", c.RuntimeConfig, "channel", c.HITL.Channels[0])
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

func TestUnknownKeysAreFoundAtEveryDepth(t *testing.T) {
	type backend struct {
		URL     string        `yaml:"url"`
		Timeout time.Duration // yaml: timeout
	}
	type shared struct{ Region string }
	type options struct {
		shared   `yaml:",inline"`
		Main     *backend           `yaml:"main"`
		Others   []backend          `yaml:"others"`
		ByName   map[string]backend `yaml:"by_name"`
		Started  time.Time          `yaml:"started"`
		Anything map[string]any     `yaml:"anything"`
		Skipped  string             `yaml:"-"`
	}
	c, _ := parse(t, `
runtime_config:
  command: x
  models: []
  region: eu
  regoin: eu
  skipped: x
  main: {url: a, tiemout: 5s}
  others:
    - {url: b}
    - {ulr: c}
  by_name: {one: {url: d, colour: blue}}
  started: 2026-01-01
  anything: {goes: [here]}
`)
	var got []string
	for _, p := range c.UnknownRuntimeKeys(&options{}) {
		got = append(got, fmt.Sprintf("%d:%d %s: %s", p.Line, p.Column, p.Key, p.Fix))
	}
	want := []string{
		"6:3 runtime_config.regoin: did you mean region?",
		"7:3 runtime_config.skipped: remove it; nothing reads it",
		"8:18 runtime_config.main.tiemout: did you mean timeout?",
		"11:8 runtime_config.others[1].ulr: did you mean url?",
		"12:27 runtime_config.by_name.one.colour: remove it; nothing reads it",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("UnknownRuntimeKeys (-want +got):\n%s", diff)
	}
	for name, v := range map[string]any{"nil": nil, "a map": map[string]any{}, "a pointer to a map": &map[string]any{}, "a number": 5} {
		if got := c.UnknownRuntimeKeys(v); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestEveryValueOfAWrongTypeIsSaid(t *testing.T) {
	c, _ := parse(t, `
runtime_config:
  port: s3cr3t`+"` into"+`
  retries: [s3cr3t]
  nested:
    - {level: s3cr3t}
  wait: 5 minutes s3cr3t
`)
	var mine struct {
		Port, Retries int
		Nested        []struct{ Level float64 }
		Wait          time.Duration
	}
	err := c.DecodeRuntime(&mine)
	if !errors.Is(err, config.ErrInvalid) {
		t.Fatalf("DecodeRuntime() = %v", err)
	}
	wantContains(t, err.Error(),
		"config.yaml:3:9: runtime_config.port: is a text; expected int",
		"config.yaml:4:12: runtime_config.retries: is a list; expected int",
		"config.yaml:6:15: runtime_config.nested[0].level: is a text; expected float64",
		"config.yaml:7:9: runtime_config.wait: is a text; expected time.Duration")
	if strings.Contains(err.Error(), "s3c") {
		t.Errorf("a value is shown: %v", err)
	}
}

// A type that decodes itself may quote the value in its error; the cause is
// there for errors.As, its text is not shown.
func TestAnErrorOfTheAdaptersOwnTypeIsKeptAndNotShown(t *testing.T) {
	c, _ := parse(t, "runtime_config: {address: s3cr3t}\n")
	var mine struct{ Address netip.Addr }
	err := c.DecodeRuntime(&mine)
	if !errors.Is(err, config.ErrInvalid) || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("DecodeRuntime() = %v", err)
	}
}

func TestDecodingNeedsAPointer(t *testing.T) {
	c, _ := parse(t, "runtime_config: {a: b}\n")
	type options struct{ A string }
	for _, v := range []any{nil, options{}, (*options)(nil), "x"} {
		if err := c.DecodeRuntime(v); err == nil || !strings.Contains(err.Error(), "pointer") {
			t.Errorf("DecodeRuntime(%T) = %v", v, err)
		}
	}
}
