package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// What a caller may ask for at most: a stranger's message must not keep the
// workspace busy for ever.
const (
	maxCount = 100_000
	maxSleep = 10 * time.Minute
)

// Agent says back what it was told.
type Agent struct{}

// Describe tells callers what to expect of it.
func (Agent) Describe() runtime.Description {
	return runtime.Description{
		Name:        "Echo",
		Description: "Says back what it is told.",
		Version:     "1.0.0",
		Skills: []runtime.Skill{{
			ID:          "echo",
			Name:        "Echo",
			Description: "Answers with the text of the message, or counts, sleeps, fails and panics when told to.",
			Tags:        []string{"test"},
			Examples:    []string{"hello", "count 3", "sleep 2s", "fail on purpose", "panic"},
		}},
	}
}

// Run answers one message.
func (Agent) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	command, rest, _ := strings.Cut(strings.TrimSpace(turn.Text()), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case command == "count" && rest != "":
		return count(reply, rest)
	case command == "sleep" && rest != "":
		return sleep(ctx, reply, rest)
	case command == "fail" && rest != "":
		return errors.New(rest)
	case command == "panic" && rest == "":
		panic("the message told me to")
	}
	_, err := fmt.Fprintf(reply, "You said: %s", turn.Text())
	return err
}

// count writes the numbers from 1 to n, one write each: a stream of chunks.
func count(reply io.Writer, n string) error {
	last, err := strconv.Atoi(n)
	if err != nil || last < 1 || last > maxCount {
		return runtime.Public(err, fmt.Sprintf("count takes a whole number from 1 to %d", maxCount))
	}
	for i := 1; i <= last; i++ {
		// A write fails once the task is cancelled: then nobody reads on.
		if _, err := fmt.Fprintf(reply, "%d ", i); err != nil {
			return err
		}
	}
	return nil
}

// sleep answers after d, or not at all when the turn is cancelled before.
func sleep(ctx context.Context, reply io.Writer, d string) error {
	wait, err := time.ParseDuration(d)
	if err != nil || wait < 0 || wait > maxSleep {
		return runtime.Public(err, fmt.Sprintf("sleep takes a duration such as 2s, up to %v", maxSleep))
	}
	select {
	case <-time.After(wait):
		_, err = fmt.Fprintf(reply, "Slept %v.", wait)
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
