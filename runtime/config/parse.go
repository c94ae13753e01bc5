package config

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// Parse reads a configuration from memory; name is what problems call it.
// Files that it refers to are not read. getenv may be nil. The error is that
// of [Report.Err]; the Config is usable also then, with defaults for what could
// not be read.
func Parse(data []byte, name string, getenv func(string) string) (*Config, Report, error) {
	c := Default()
	c.name, c.keys = name, map[string]position{}
	r := &reader{name: name, keys: c.keys}
	c.read(r, data)
	c.chooseModel(r, getenv)
	return c, r.report, r.report.Err()
}

func (c *Config) read(r *reader, data []byte) {
	r.lines = newLines(data)
	if len(data) > MaxFileSize {
		r.add(Problem{Severity: Error, Line: 1, Column: 1, Message: fmt.Sprintf("the file has more than %d bytes", MaxFileSize), Fix: "move long texts into files of their own, such as initial_prompt_file"})
		return
	}
	text, offset, message, fix := encoding(data)
	if message != "" {
		at := newLines(text).at(offset)
		r.add(Problem{Severity: Error, Line: at.line, Column: at.column, Message: message, Fix: fix})
		return
	}
	r.lines = newLines(text)
	root, err := document(text)
	switch {
	case errors.Is(err, errMoreDocuments):
		r.fault(root, "", "the file holds more than one YAML document", "remove the --- line and what follows it")
		return
	case err != nil:
		r.syntax(err)
		return
	case root == nil || isNull(root):
		return // an empty file is all defaults
	case root.Kind != yaml.MappingNode:
		r.fault(root, "", "the file is "+describe(root)+"; expected a map of keys and values", "write lines like name: My workspace")
		return
	}
	if r.sound(root) {
		model := c.Model
		c.Model = ""
		r.section(root, "", c.fields(), templateKeys...)
		if c.Model == "" {
			c.Model = model
		} else {
			c.ModelSource = "model"
		}
	}
}

// providers are names that MODEL_PROVIDER may hold although it is the model's
// variable: some templates use it, as it says, for the provider.
var providers = map[string]bool{
	"anthropic": true, "openai": true, "google": true, "gemini": true, "openrouter": true, "groq": true,
	"cerebras": true, "qianfan": true, "ollama": true, "azure": true, "bedrock": true, "vertex": true,
	"mistral": true, "deepseek": true, "xai": true, "minimax": true, "moonshot": true, "zai": true,
}

// chooseModel decides which model and provider are in effect; the package
// comment has the order.
func (c *Config) chooseModel(r *reader, getenv func(string) string) {
	if c.ModelSource == "default" && c.RuntimeConfig.Model != "" {
		c.Model, c.ModelSource = c.RuntimeConfig.Model, "runtime_config.model"
	}
	var own struct {
		Provider string `yaml:"provider"`
	}
	if c.RuntimeConfig.Raw.Decode(&own) == nil {
		c.Provider = own.Provider
	}
	if getenv == nil {
		return
	}
	switch v := strings.TrimSpace(getenv("MODEL_PROVIDER")); {
	case v == "":
	case providers[strings.ToLower(v)]:
		c.Provider = strings.ToLower(v)
	default:
		c.Model, c.ModelSource = v, "MODEL_PROVIDER"
	}
}
