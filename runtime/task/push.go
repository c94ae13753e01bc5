package task

import (
	"context"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

func pushKey(id a2a.TaskID, config string) string { return string(id) + ":" + config }
func pushEnd(id a2a.TaskID) string                { return string(id) + ";" }

func (e *Engine) subscribe(context.Context, *task, *a2a.PushConfig) error { return errNoPush() }
