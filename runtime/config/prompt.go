package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// prompt reads the file of a prompt, unless the prompt is given inline. The
// file has to be inside the config directory, also when links are followed.
func (c *Config) prompt(key, file string, into *string) Report {
	if file == "" || *into != "" {
		return nil
	}
	text, err := readPrompt(c.Dir, file)
	if err == nil {
		*into = text
		return nil
	}
	at := c.keys[key]
	p := Problem{Severity: Error, Key: key, File: c.name, Line: at.line, Column: at.column, Cause: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Severity = Warning
		p.Message = "there is no file " + quote(file) + " in the config directory, so the prompt is empty"
		p.Fix = "write the file, or remove the key"
	case errors.Is(err, errEscapes):
		p.Message = "names a file outside of the config directory"
		p.Fix = "name a file below the config directory, without .. and without links that lead out of it"
	default:
		p.Message = "the file " + quote(file) + " cannot be used: " + reason(err)
		p.Fix = "make it a text file in UTF-8 of at most 1 MiB"
	}
	return Report{p}
}

// errEscapes is a path that leaves the config directory.
var errEscapes = errors.New("the path leaves the config directory")

// readPrompt reads a text below dir, without white space around it and with
// Unix line ends.
func readPrompt(dir, file string) (string, error) {
	if !filepath.IsLocal(file) {
		return "", errEscapes
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }() // nothing was written
	info, err := inside(root, file)
	if err != nil {
		return "", err
	}
	if err := regular(info); err != nil {
		return "", err
	}
	f, err := root.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := readAll(f)
	if err != nil {
		return "", err
	}
	text, _, message, _ := readable(data)
	if message != "" {
		return "", errors.New(message)
	}
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")), nil
}

// inside looks at a file below root and follows its links as far as they stay
// there. What the system itself says about a path is left as it is; the refusal
// of a link that leads out, which has no name of its own in package os, becomes
// errEscapes.
func inside(root *os.Root, file string) (fs.FileInfo, error) {
	info, err := root.Stat(file)
	if err == nil {
		return info, nil
	}
	if _, outside := os.Stat(filepath.Join(root.Name(), file)); outside == nil && !errors.Is(err, fs.ErrPermission) {
		return nil, errors.Join(errEscapes, err)
	}
	return nil, err
}
