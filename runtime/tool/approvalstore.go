package tool

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// approvalRecord is what is known of one request.
type approvalRecord struct {
	CallID     string          `json:"call_id"`
	TaskID     string          `json:"task_id,omitempty"`
	Action     string          `json:"action"`
	Reason     string          `json:"reason,omitempty"`
	Asked      time.Time       `json:"asked_at"`
	ApprovalID string          `json:"approval_id,omitempty"` // empty until the platform has said it
	Outcome    ApprovalOutcome `json:"outcome,omitempty"`     // empty until it is decided
	DecidedBy  string          `json:"decided_by,omitempty"`

	restored bool // nobody in this process waits for it any more, or has yet
	tried    bool // the platform was asked, and may have heard
}

// wireTask is what the platform shows beside the request, by which it is found
// again.
func (r *approvalRecord) wireTask() string {
	if r.TaskID != "" {
		return r.TaskID
	}
	return r.CallID
}

func (r *approvalRecord) decision() Decision { return Decision{r.Outcome, r.ApprovalID, r.DecidedBy} }

// load reads what was kept, once. What cannot be read is left where it is and
// said: the worst that follows is that a person is asked again. a.mu is held.
func (a *Approvals) load() {
	now := time.Now()
	for call, r := range a.records {
		if now.Sub(r.Asked) > approvalKept {
			delete(a.records, call)
			a.store.remove(call)
		}
	}
	if a.loaded {
		return
	}
	a.loaded = true
	records, err := a.store.all()
	if err != nil {
		a.opts.Logger.Warn("approvals from before could not be read: what they were about may be asked again", "dir", a.store.dir, "error", err)
	}
	for _, r := range records {
		if now.Sub(r.Asked) > approvalKept {
			a.store.remove(r.CallID)
			continue
		}
		r.restored, r.tried = true, true
		a.records[r.CallID] = r
	}
}

// save keeps a record. a.mu is held.
func (a *Approvals) save(r *approvalRecord) {
	if err := a.store.put(r); err != nil {
		a.opts.Logger.Warn("an approval could not be kept: after a restart it would be asked for again",
			"dir", a.store.dir, "error", err, "fix", "make the directory writable")
	}
}

// change changes a record and keeps it.
func (a *Approvals) change(r *approvalRecord, f func(*approvalRecord)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(r)
	a.save(r)
}

// forget drops the record of a request that the platform has never had.
func (a *Approvals) forget(r *approvalRecord) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.records, r.CallID)
	a.store.remove(r.CallID)
}

// approvalStore is a directory with one file for each request, so that several
// processes of one workspace do not write over each other. An empty dir keeps
// nothing.
type approvalStore struct{ dir string }

func (s approvalStore) path(call string) string {
	sum := sha256.Sum256([]byte(call)) // a call id may be anything
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16])+".json")
}

// put writes a record whole or not at all, and makes sure that it is on the
// disk.
func (s approvalStore) put(r *approvalRecord) error {
	if s.dir == "" {
		return nil
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(s.dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(raw)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), s.path(r.CallID))
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return syncDir(s.dir)
}

func (s approvalStore) remove(call string) {
	if s.dir != "" {
		_ = os.Remove(s.path(call)) // one that stays is dropped by its age
	}
}

// all reads every record that can be read; the error is about the others.
func (s approvalStore) all() ([]*approvalRecord, error) {
	if s.dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var records []*approvalRecord
	var faults []error
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") || !e.Type().IsRegular() {
			continue
		}
		r := &approvalRecord{}
		raw, err := os.ReadFile(filepath.Join(s.dir, e.Name()))
		if err == nil {
			err = json.Unmarshal(raw, r)
		}
		if err == nil && filepath.Base(s.path(r.CallID)) != e.Name() {
			err = errors.New("it is not what its name says")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", e.Name(), err))
			continue
		}
		records = append(records, r)
	}
	return records, errors.Join(faults...)
}

// syncDir makes a rename last. Where directories cannot be synced, the file
// system does so by itself or not at all.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}
