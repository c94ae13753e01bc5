package config_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

func ExampleParse() {
	cfg, report, err := config.Parse([]byte("name: Ada\na2a:\n  port: 80800\nruntim: codex\n"), "config.yaml", nil)
	fmt.Print(report)
	fmt.Println(errors.Is(err, config.ErrInvalid))
	fmt.Println(cfg.Name, cfg.A2A.Port) // what could be read, and defaults for the rest
	// Output:
	// 1 error, 1 warning
	// error: config.yaml:3:9: a2a.port: 80800 is out of range
	//     fix: write a number from 1 to 65535
	// warning: config.yaml:4:1: runtim: unknown key
	//     fix: did you mean runtime?
	// true
	// Ada 8000
}

// An adapter reads its own options from the section runtime_config, and says
// which of the keys there nobody knows.
func ExampleConfig_DecodeRuntime() {
	cfg, _, err := config.Parse([]byte(`
runtime_config:
  required_env: [OPENAI_API_KEY|MINIMAX_API_KEY]
  temperature: 0.2
  gatewayport: 8642
`), "config.yaml", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	options := struct {
		Temperature float64 `yaml:"temperature"`
		GatewayPort int     `yaml:"gateway_port"`
	}{GatewayPort: 9100}
	if err := cfg.DecodeRuntime(&options); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%+v\n", options)
	fmt.Print(cfg.UnknownRuntimeKeys(&options))
	// Output:
	// {Temperature:0.2 GatewayPort:9100}
	// 1 warning
	// warning: config.yaml:5:3: runtime_config.gatewayport: unknown key
	//     fix: did you mean gateway_port?
}

func ExamplePreflight() {
	cfg, _, err := config.Parse([]byte("runtime: codex\nruntime_config:\n  required_env: [OPENAI_API_KEY|MINIMAX_API_KEY]\n"), "config.yaml", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report := config.Preflight(context.Background(), cfg, config.PreflightEnv{
		Getenv:      func(string) string { return "" }, // os.Getenv in a program
		AdapterName: "echo",
		TokenPath:   "example_test.go", // any file will do here
		SkipPort:    true,
	})
	fmt.Print(report)
	// Output:
	// 1 error, 1 warning
	// error: config.yaml:3:3: runtime_config.required_env: none of the variables OPENAI_API_KEY, MINIMAX_API_KEY is set
	//     fix: set one of them in the workspace's environment, for example as a secret on the platform
	// warning: config.yaml:1:1: runtime: names another adapter than this one, which is echo
	//     fix: write runtime: echo
}

func ExampleLoad() {
	cfg, report, err := config.Load("testdata/workspace", func(string) string { return "" })
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(report)
	fmt.Printf("%s answers with %s (chosen by %s) on port %d\n", cfg.Name, cfg.Model, cfg.ModelSource, cfg.A2A.Port)
	// Output:
	// Researcher answers with openai:gpt-5 (chosen by runtime_config.model) on port 8000
}
