package config

import (
	"fmt"
	"io"
	"log/slog"
)

// String is a summary without anything that might be a secret.
func (c Config) String() string {
	return fmt.Sprintf("config %s (name %q, runtime %q, model %q, port %d)", c.name, c.Name, c.Runtime, c.Model, c.A2A.Port)
}

// GoString is String, for %#v.
func (c Config) GoString() string { return c.String() }

// Format writes String for every verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer].
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText is String, which also governs JSON.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String shows the command; arguments may hold keys.
func (rc RuntimeConfig) String() string {
	return fmt.Sprintf("runtime_config (command %q, model %q)", rc.Command, rc.Model)
}

// GoString is String, for %#v.
func (rc RuntimeConfig) GoString() string { return rc.String() }

// Format writes String for every verb.
func (rc RuntimeConfig) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, rc.String()) }

// LogValue implements [slog.LogValuer].
func (rc RuntimeConfig) LogValue() slog.Value { return slog.StringValue(rc.String()) }

// MarshalText is String, which also governs JSON.
func (rc RuntimeConfig) MarshalText() ([]byte, error) { return []byte(rc.String()), nil }
