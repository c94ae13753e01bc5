package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// effectsFile notes the side effects that turns have made, a line for each.
const effectsFile = "effects"

// effect makes a side effect that must not happen twice.
func effect(ctx context.Context, dir string, turn *runtime.Turn, n int) error {
	key := fmt.Sprint("effect-", n)
	_, err := turn.Once(ctx, key, func(context.Context) ([]byte, error) {
		f, err := os.OpenFile(filepath.Join(dir, effectsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		_, err = fmt.Fprintln(f, turn.TaskID(), key)
		return nil, errors.Join(err, f.Close())
	})
	if errors.Is(err, task.ErrUnknownOutcome) {
		return nil // it may have happened, so it is left
	}
	return err
}

// countEffects says how many side effects were made, and fails if one was made
// twice.
func countEffects(dir string) (int, error) {
	raw, err := os.ReadFile(filepath.Join(dir, effectsFile))
	if err != nil {
		return 0, err
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	made := map[string]bool{}
	for _, line := range lines {
		if made[line] {
			return 0, fmt.Errorf("side effect %q was made twice", line)
		}
		made[line] = true
	}
	return len(lines), nil
}
