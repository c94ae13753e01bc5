package config

// Raw is a section of the file as it was written.
type Raw struct{}

// Decode decodes the section into v.
func (r Raw) Decode(v any) error { return nil }

// UnknownRuntimeKeys reports, as warnings, the keys of runtime_config that
// neither the library nor v, a pointer to the adapter's struct, knows.
func (c *Config) UnknownRuntimeKeys(v any) Report { return nil }
