package heartbeat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrInboxFormat is the error of a file that a later version has written.
var ErrInboxFormat = errors.New("heartbeat: the inbox file is of a later version")

// inboxVersion is the version of the file.
const inboxVersion = 1

// inboxFile is the file: the state and a sum over its bytes.
type inboxFile struct {
	Version int             `json:"version"`
	Sum     uint32          `json:"sum"` // CRC-32 (IEEE) of State
	State   json.RawMessage `json:"state"`
}

func encodeInbox(s inboxState) ([]byte, error) {
	state, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return json.Marshal(inboxFile{inboxVersion, crc32.ChecksumIEEE(state), state})
}

func decodeInbox(raw []byte) (s inboxState, err error) {
	var f inboxFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return s, fmt.Errorf("it is no JSON object of ours: %w", err)
	}
	switch {
	case f.Version > inboxVersion:
		return s, ErrInboxFormat
	case f.Version < 1:
		return s, fmt.Errorf("version %d", f.Version)
	case crc32.ChecksumIEEE(f.State) != f.Sum:
		return s, errors.New("its sum is wrong")
	}
	if err := json.Unmarshal(f.State, &s); err != nil {
		return s, err
	}
	for _, w := range s.Waiting {
		if w == nil || w.Result.DelegationID == "" {
			return s, errors.New("a result without an id")
		}
	}
	for _, n := range s.Notices {
		if n == nil || n.Text == "" {
			return s, errors.New("an empty notification")
		}
	}
	return s, nil
}

// load reads the file, and writes it, so that a place that cannot be written to
// is found out before anything happens.
func (b *Inbox) load() error {
	path := b.cfg.Path
	b.save = func(s inboxState) error { return writeInbox(path, s) }
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("heartbeat: the inbox file cannot be read: %w", err)
	default:
		s, err := decodeInbox(raw)
		if err == nil && s.Workspace != b.own {
			err = fmt.Errorf("it belongs to workspace %q", clean(s.Workspace, 64))
		}
		if errors.Is(err, ErrInboxFormat) {
			return fmt.Errorf("%w: %s: run the version that has written it, or remove it and lose what waits in it", err, path)
		}
		if err != nil {
			if b.status.Moved, err = b.moveAside(path, err); err != nil {
				return err
			}
			break
		}
		b.state = s
		b.lost()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.write(); err != nil {
		return fmt.Errorf("heartbeat: the inbox file cannot be written: make its directory writable: %w", err)
	}
	return nil
}

// moveAside gives a damaged file another name, never that of another one.
func (b *Inbox) moveAside(path string, why error) (string, error) {
	base := path + ".corrupt-" + time.Now().UTC().Format("20060102T150405Z")
	aside := base
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return "", fmt.Errorf("heartbeat: the inbox file is damaged (%w) and cannot be moved aside: %w", why, err)
		}
		aside = fmt.Sprintf("%s-%d", base, n)
	}
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("heartbeat: the inbox file is damaged (%w) and cannot be moved aside: %w", why, err)
	}
	b.log.Error("the file of delivered results is damaged, it was moved aside: results that waited in it are lost, and none is delivered again",
		slog.String("moved_to", aside), slog.Any("error", why),
		slog.String("do", "look at what was delegated lately, and delegate again what the agent has not heard of"))
	return aside, nil
}

// writeInbox replaces the file in one step.
func writeInbox(path string, s inboxState) (err error) {
	raw, err := encodeInbox(s)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// The same name each time: a process that is killed leaves one such file.
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = bytes.NewReader(raw).WriteTo(f)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename durable, where the system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil //nolint:nilerr // one may write to a directory without reading it
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
