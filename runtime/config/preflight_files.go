package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// defaultPrompt is the prompt file of a configuration that names none.
const defaultPrompt = "system-prompt.md"

// token says whether there is a token. None is a warning: the first
// registration brings one, or the platform writes it after the start. Its mode
// is not looked at: the platform itself makes it readable to all.
func (p *preflight) token() bool {
	info, err := os.Stat(p.env.TokenPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.add(Warning, p.env.TokenPath, "there is no token yet", "nothing to do for a workspace that has never been registered: the platform will issue one", nil)
	case err != nil:
		p.add(Warning, p.env.TokenPath, "the token file cannot be looked at: "+reason(err), "let the user of this process read it", err)
	case !info.Mode().IsRegular():
		p.add(Warning, p.env.TokenPath, "the token file is no file", "remove it, so that the token can be written", nil)
	case info.Size() == 0:
		p.add(Warning, p.env.TokenPath, "the token file is empty", "wait for the platform to write it; if it does not, remove the file", nil)
	default:
		return true
	}
	return false
}

// directory has to be writable as long as there is no token: the one that the
// platform issues goes there, and it is shown only once. With a token, as in a
// mount that is read-only on purpose, the workspace works until the platform
// issues another.
func (p *preflight) directory(haveToken bool) {
	dir := p.cfg.Dir
	if dir == "" {
		return
	}
	severity := Error
	if haveToken {
		severity = Warning
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Saving a token makes it, if the directory above lets us.
		if err := writable(existing(filepath.Dir(dir))); err != nil {
			p.add(severity, dir, "the config directory does not exist and cannot be made", "make it, or set CONFIGS_DIR to one that exists", err)
		}
	case err != nil:
		p.add(severity, dir, "the config directory cannot be looked at: "+reason(err), "set CONFIGS_DIR to a directory of this process's user", err)
	case !info.IsDir():
		p.add(severity, dir, "the config directory is not a directory", "set CONFIGS_DIR to a directory", nil)
	default:
		if err := writable(dir); err != nil {
			p.add(severity, dir, "the config directory cannot be written to ("+reason(err)+"), so a token that the platform issues would be lost", "let the user of this process write there, or set CONFIGS_DIR to another directory", err)
		}
	}
}

// existing is dir, or the nearest directory above it that exists.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// writable finds out by writing: modes do not tell of read-only file systems
// and full disks.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".preflight-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func (p *preflight) promptFiles() {
	files := p.cfg.PromptFiles
	if !p.cfg.Has("prompt_files") && p.cfg.File != "" {
		files = []string{defaultPrompt}
	}
	for _, name := range files {
		switch _, err := p.inside(name); {
		case err == nil:
		case errors.Is(err, errEscapes):
			p.add(Error, "prompt_files", quote(name)+" is outside of the config directory", "name a file below it, without .. and without links that lead out of it", err)
		case errors.Is(err, fs.ErrNotExist):
			p.add(Warning, "prompt_files", "there is no file "+quote(name)+" in the config directory", "write it, or name the files there are (prompt_files: [] for none)", err)
		default:
			p.add(Warning, "prompt_files", "the file "+quote(name)+" cannot be used: "+reason(err), "make it a file that this process may read", err)
		}
	}
}

func (p *preflight) skills() {
	seen := map[string]bool{}
	for _, name := range p.cfg.Skills {
		if seen[name] {
			p.add(Warning, "skills", "the skill "+quote(name)+" is listed twice", "remove one of the two", nil)
			continue
		}
		seen[name] = true
		if filepath.Base(name) != name || !filepath.IsLocal(name) {
			p.add(Error, "skills", quote(name)+" is not the name of a skill", "write the name of a directory below skills", nil)
			continue
		}
		path := filepath.Join("skills", name, "SKILL.md")
		switch _, err := p.inside(path); {
		case err == nil:
		case errors.Is(err, errEscapes):
			p.add(Error, "skills", "the skill "+quote(name)+" is outside of the config directory", "install it there instead of linking to it", err)
		default:
			p.add(Warning, "skills", "the skill "+quote(name)+" has no file "+quote(filepath.ToSlash(path)), "install the skill, or remove the entry", err)
		}
	}
}

// inside looks at a file of the config directory, and nowhere else.
func (p *preflight) inside(name string) (fs.FileInfo, error) {
	if !filepath.IsLocal(name) {
		return nil, errEscapes
	}
	root, err := os.OpenRoot(p.cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // nothing was written
	info, err := inside(root, name)
	if err != nil {
		return nil, err
	}
	return info, regular(info)
}
