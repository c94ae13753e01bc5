package task

// retired is the queue of finished tasks in the order of their end, bounded by
// their number and their size. It is guarded by the engine's mutex.
type retired struct {
	oldest, newest *task
	count          int
	bytes          int64
}

func (r *retired) push(t *task) {
	if r.newest == nil {
		r.oldest = t
	} else {
		r.newest.next = t
	}
	r.newest = t
	r.count++
	r.bytes += t.size
}

func (r *retired) pop() *task {
	t := r.oldest
	r.oldest, t.next = t.next, nil
	if r.oldest == nil {
		r.newest = nil
	}
	r.count--
	r.bytes -= t.size
	return t
}

// retire keeps a finished task for later questions and forgets the oldest ones
// beyond the limits. Whoever is reading a forgotten task reads on. The caller
// holds both mutexes; the size of a finished task does not change.
func (e *Engine) retire(t *task) {
	e.finished.push(t)
	for e.finished.count > e.cfg.limits.MaxFinished ||
		e.finished.count > 1 && e.finished.bytes > e.cfg.limits.MaxFinishedBytes {
		old := e.finished.pop()
		delete(e.tasks, old.info.TaskID)
		for _, key := range old.keys {
			delete(e.messages, key)
		}
	}
}
