package registrytest

import (
	"math/rand/v2"
	"time"
)

// Plan says how requests fail at random. The zero value of Faults is
// [DefaultFaults].
type Plan struct {
	Rate   float64 // the share of requests that fail, 0 to 1
	Faults []Fault // drawn from with equal chance
}

// DefaultFaults are the failures a platform shows in practice.
func DefaultFaults() []Fault {
	return []Fault{
		{Status: 500}, {Status: 502}, {Status: 503},
		{Status: 503, RetryAfter: 5},
		{Status: 429, RetryAfter: 1},
		{Status: 401}, // a database that is away, seen from a workspace route
		{Reset: true}, {Hang: true}, {HalfOpen: true}, {Truncate: true}, {HTML: true}, {Duplicate: true},
		{Delay: 700 * time.Millisecond}, {Delay: 20 * time.Second},
	}
}

type planner struct {
	random *rand.Rand
	plan   Plan
}

func newPlanner(seed uint64, plan Plan) *planner {
	if len(plan.Faults) == 0 {
		plan.Faults = DefaultFaults()
	}
	return &planner{rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), plan}
}

func (p *planner) next() *Fault {
	if p.random.Float64() >= p.plan.Rate {
		return nil
	}
	f := p.plan.Faults[p.random.IntN(len(p.plan.Faults))]
	return &f
}
