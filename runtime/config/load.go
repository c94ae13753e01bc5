package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Dir returns the config directory: $CONFIGS_DIR, else $WORKSPACE_CONFIG_PATH,
// else /configs.
func Dir(getenv func(string) string) string {
	for _, name := range []string{"CONFIGS_DIR", "WORKSPACE_CONFIG_PATH"} {
		if v := getenv(name); v != "" {
			return v
		}
	}
	return "/configs"
}

// Load reads config.yaml in dir and the prompt files it names. A missing file
// is a warning and all defaults: the platform may write it after the workspace
// has started. getenv may be nil. The error is that of [Report.Err], or says
// why a file that is there cannot be read; the Config is usable also then, with
// defaults for what could not be read.
func Load(dir string, getenv func(string) string) (*Config, Report, error) {
	path := filepath.Join(dir, FileName)
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		c, report, _ := Parse(nil, path, getenv)
		c.Dir = dir
		report = append(report, Problem{
			Severity: Warning, File: path, Message: "there is no configuration file; defaults are used",
			Fix: "write one, or set CONFIGS_DIR to the directory that has it", Cause: err,
		})
		return c, report, report.Err()
	}
	if err != nil {
		c := Default()
		c.Dir, c.name = dir, path
		report := Report{{
			Severity: Error, File: path, Message: "the configuration file cannot be read: " + reason(err),
			Fix: "make it a file that this process may read", Cause: err,
		}}
		return c, report, report.Err()
	}
	c, report, _ := Parse(data, path, getenv)
	c.Dir, c.File = dir, path
	report = append(report, c.prompt("initial_prompt_file", c.InitialPromptFile, &c.InitialPrompt)...)
	report = append(report, c.prompt("idle_prompt_file", c.IdlePromptFile, &c.IdlePrompt)...)
	return c, report, report.Err()
}

// prompt reads the file of a prompt, unless the prompt is given inline. The file
// has to be inside the config directory, also when links are followed.
func (c *Config) prompt(key, file string, into *string) Report {
	if file == "" || *into != "" {
		return nil
	}
	at := c.keys[key]
	problem := func(s Severity, message, fix string, cause error) Report {
		return Report{{Severity: s, Key: key, File: c.name, Line: at.line, Column: at.column, Message: message, Fix: fix, Cause: cause}}
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return problem(Error, "the config directory cannot be opened", "make it a directory that this process may read", err)
	}
	defer root.Close()
	f, err := root.Open(filepath.Clean(file))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return problem(Warning, "the file does not exist; the prompt is empty", "write the file, or remove the key", err)
	case err != nil:
		return problem(Error, "the file cannot be read, or is not inside the config directory", "name a file below the config directory, without .. and without links that lead out of it", err)
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return problem(Error, "the file cannot be read: "+reason(err), "name a text file of at most 1 MiB", err)
	}
	if _, _, message, fix := encoding(data); message != "" {
		return problem(Error, "the file cannot be used: "+message, fix, nil)
	}
	*into = strings.TrimSpace(strings.TrimPrefix(string(data), "\ufeff"))
	return nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

// readAll reads a regular file up to a little more than what is accepted.
func readAll(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err == nil && len(data) > MaxFileSize {
		err = fmt.Errorf("it has more than %d bytes", MaxFileSize)
	}
	return data, err
}

// reason is a system's error without the path, which the problem names already.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
