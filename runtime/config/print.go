package config

import (
	"fmt"
	"io"
	"log/slog"
)

// String is a summary without anything that might be a secret.
func (c *Config) String() string {
	if c == nil {
		return "<nil>"
	}
	return fmt.Sprintf("config %s (name %q, runtime %q, model %q, port %d)", c.name, c.Name, c.Runtime, c.Model, c.A2A.Port)
}

// GoString is String, for %#v.
func (c *Config) GoString() string { return c.String() }

// Format writes String for every verb.
func (c *Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer].
func (c *Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText is String, which also governs JSON.
func (c *Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
