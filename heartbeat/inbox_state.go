package heartbeat

import (
	"slices"
	"time"
)

// Bounds of what an Inbox keeps. The platform shows 500 rows at most, so the
// marks reach back behind anything it can show.
const (
	maxDone    = 600
	maxWaiting = 1000
)

// inboxState is what must outlive the process. All of it is small: 1000 results
// of under 2 KB each at the very worst.
type inboxState struct {
	Workspace string     `json:"workspace"`
	Based     bool       `json:"based"` // the first look has been had
	Floor     time.Time  `json:"floor"` // rows older than this are history
	Seen      time.Time  `json:"seen"`  // the newest row of the newest look
	Done      marks      `json:"done"`  // results the agent has had, or never will
	Waiting   []*waiting `json:"waiting,omitempty"`
	Notices   []*notice  `json:"notices,omitempty"`
}

// waiting is a result that the agent has not had yet, in order of completion.
type waiting struct {
	Result   Result    `json:"result"`
	At       time.Time `json:"at"`       // of its newest row
	Attempts int       `json:"attempts"` // begun
	Failed   int       `json:"failed"`   // turns known to have failed
	again    time.Time // not before
	out      bool      // with the agent just now
}

// notice is a message for the user that was not sent yet.
type notice struct {
	DelegationID string `json:"delegation_id"`
	Text         string `json:"text"`
	Sending      bool   `json:"sending"` // the call was begun: after a crash nobody knows what came of it
}

// mark says that a delegation is dealt with.
type mark struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

// marks are in the order in which they were made.
type marks []mark

func (m marks) has(id string) bool {
	return slices.ContainsFunc(m, func(k mark) bool { return k.ID == id })
}

func (m *marks) add(id string, at time.Time) {
	if !m.has(id) {
		*m = append(*m, mark{id, at})
	}
}

// waiting is the index of a waiting result, -1 when there is none.
func (s *inboxState) waiting(id string) int {
	return slices.IndexFunc(s.Waiting, func(w *waiting) bool { return w.Result.DelegationID == id })
}

// finish takes a result out of those that wait, for good.
func (s *inboxState) finish(i int) {
	w := s.Waiting[i]
	s.Waiting = slices.Delete(s.Waiting, i, i+1)
	s.Done.add(w.Result.DelegationID, w.At)
	s.trim()
}

// trim forgets the oldest marks when there are too many, and raises the floor
// above them, so that no row that comes back into view is new again.
func (s *inboxState) trim() {
	for len(s.Done) > maxDone {
		if at := s.Done[0].At; at.After(s.Floor) {
			s.Floor = at.Add(time.Nanosecond)
		}
		s.Done = slices.Delete(s.Done, 0, 1)
	}
}

func (s *inboxState) dropNotice(id string) {
	s.Notices = slices.DeleteFunc(s.Notices, func(n *notice) bool { return n.DelegationID == id && !n.Sending })
}
