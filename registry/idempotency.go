package registry

// repeatable says whether a call may be sent again when its outcome is not
// known. It stands next to each call's method and path, and the retry policy
// reads nothing else.
type repeatable int

const (
	never  repeatable = iota // a repeat may do it twice, or somebody else owns the rhythm
	reads                    // changes nothing
	upsert                   // a repeat leaves what one call leaves
	keyed                    // carries an idempotency key that the platform honours
)

func (r repeatable) repeat() bool { return r != never }
