package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"
)

// Parse reads a configuration from memory; name is what problems call it.
// Files that it refers to are not read. getenv may be nil. The error is that
// of [Report.Err]; the Config is usable also then, with defaults for what could
// not be read.
func Parse(data []byte, name string, getenv func(string) string) (*Config, Report, error) {
	c, report := parse(data, name, getenv)
	return c, report, report.Err()
}

func parse(data []byte, name string, getenv func(string) string) (*Config, Report) {
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	c := Default()
	c.Model = "" // chosen below
	c.name, c.keys = name, map[string]position{}
	r := &reader{name: name, keys: c.keys}
	r.known = append(slices.Sorted(maps.Keys(c.fields())), nestedKeys...)
	c.read(r, data)
	c.chooseModel(r, getenv)
	c.strangeRoles(r)
	c.warnWithoutEffect(r)
	sortByPlace(r.report)
	return c, r.report
}

func (c *Config) read(r *reader, data []byte) {
	r.lines = newLines(data)
	if len(data) > MaxFileSize {
		r.add(Problem{Severity: Error, Line: 1, Column: 1, Message: fmt.Sprintf("the file has more than %d bytes", MaxFileSize), Fix: "move long texts into files of their own, such as initial_prompt_file"})
		return
	}
	text, offset, message, fix := readable(data)
	r.lines = newLines(text)
	if message != "" {
		at := r.lines.at(offset)
		r.add(Problem{Severity: Error, Line: at.line, Column: at.column, Message: message, Fix: fix})
		return
	}
	root, err := document(text)
	switch {
	case errors.Is(err, errMoreDocuments):
		r.fault(root, "", "the file holds more than one YAML document", "remove the --- line and what follows it")
		return
	case err != nil:
		r.syntax(text, err)
		return
	case root == nil || isNull(root):
		return // an empty file is all defaults
	case root.Kind != yaml.MappingNode:
		r.fault(root, "", "the file is "+describe(root)+"; expected a map of keys and values", "write lines like name: My workspace")
		return
	}
	if r.sound(root) {
		r.section(root, "", c.fields(), templateKeys...)
		c.bothPrompts(r)
	}
}

// bothPrompts warns of a prompt file that is not read.
func (c *Config) bothPrompts(r *reader) {
	if c.InitialPrompt != "" && c.InitialPromptFile != "" {
		r.warnOf("initial_prompt_file", "is not read, since initial_prompt is set too", "remove one of the two")
	}
	if c.IdlePrompt != "" && c.IdlePromptFile != "" {
		r.warnOf("idle_prompt_file", "is not read, since idle_prompt is set too", "remove one of the two")
	}
}
