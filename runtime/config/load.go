package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
// has started. getenv may be nil. The error is that of [Report.Err]; the Config
// is usable also then, with defaults for what could not be read.
func Load(dir string, getenv func(string) string) (*Config, Report, error) {
	path := filepath.Join(dir, FileName)
	data, err := readFile(path)
	c, report := parse(data, path, getenv)
	c.Dir = dir
	switch {
	case errors.Is(err, fs.ErrNotExist):
		report = append(report, Problem{
			Severity: Warning, File: path, Message: "there is no configuration file; defaults are used",
			Fix: "write one, or set CONFIGS_DIR to the directory that has it", Cause: err,
		})
	case err != nil:
		fix := "make it a file that this process may read"
		if errors.Is(err, errDirectory) {
			// What Docker makes of a bind mount whose source is missing.
			fix = "replace it by a file; a mount whose source does not exist leaves a directory behind"
		}
		report = append(report, Problem{
			Severity: Error, File: path, Message: "the configuration file cannot be read: " + reason(err), Fix: fix, Cause: err,
		})
	default:
		c.File = path
		report = append(report, c.prompt("initial_prompt_file", c.InitialPromptFile, &c.InitialPrompt)...)
		report = append(report, c.prompt("idle_prompt_file", c.IdlePromptFile, &c.IdlePrompt)...)
		sortByPlace(report)
	}
	return c, report, report.Err()
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := regular(info); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	return readAll(f)
}

var (
	errDirectory  = errors.New("it is a directory")
	errNotRegular = errors.New("it is not a regular file")
)

// regular refuses what is no file before it is opened: opening a pipe waits for
// a writer.
func regular(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errDirectory
	case !info.Mode().IsRegular():
		return errNotRegular
	}
	return nil
}

// readAll reads a file up to a little more than what is accepted.
func readAll(f *os.File) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err == nil && len(data) > MaxFileSize {
		return nil, fmt.Errorf("it has more than %d bytes", MaxFileSize)
	}
	return data, err
}

// reason is a system's error without the path, which the problem names already.
func reason(err error) string {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
