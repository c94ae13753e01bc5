package config

// Parse reads a configuration from memory; name is what problems call it.
func Parse(data []byte, name string, getenv func(string) string) (*Config, Report, error) {
	return Default(), nil, nil
}
