package registry

// repeatable says whether a call may be sent again when its outcome is not
// known. It stands next to each call's method and path, and the retry policy
// reads nothing else.
type repeatable int

const (
	never   repeatable = iota // a repeat may do it twice, or somebody else owns the rhythm
	reads                     // changes nothing
	upsert                    // a repeat leaves what one call leaves
	removes                   // a repeat finds nothing left to remove, and may be told so
	keyed                     // carries an idempotency key that the platform honours
)

func (r repeatable) repeat() bool { return r != never }

// keyedBy is keyed when there is a key, and never without one.
func keyedBy(key string) repeatable {
	if key == "" {
		return never
	}
	return keyed
}
