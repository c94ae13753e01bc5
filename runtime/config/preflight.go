package config

import "context"

// PreflightEnv is what [Preflight] needs to know besides the configuration.
type PreflightEnv struct {
	// Getenv reads the environment; nil means an empty one.
	Getenv func(string) string
	// AdapterName is compared with the key runtime; empty skips that.
	AdapterName string
	// TokenPath is the workspace's token file; empty means .auth_token in the
	// config directory.
	TokenPath string
	// SkipPort leaves the port alone: somebody else listens, or already does.
	SkipPort bool
	// Platform asks whether the platform answers; nil skips that. An error is
	// a warning: a workspace starts without its platform.
	Platform func(context.Context) error
}

// Preflight looks at the place the workspace is about to start in.
func Preflight(ctx context.Context, cfg *Config, env PreflightEnv) Report { return nil }
