package runtime

import "os"

// FromEnv takes the settings from the environment of the process, which New
// reads once: WORKSPACE_ID, PLATFORM_URL, CONFIGS_DIR, WORKSPACE_CONFIG_PATH,
// AGENT_URL, HEARTBEAT_INTERVAL, LOG_LEVEL, LOG_FORMAT, MOLECULE_ORG_ID and
// HOSTNAME. See the table in the package documentation.
func FromEnv() Option { return FromLookup(os.Getenv) }

// FromLookup is [FromEnv] over a function like [os.Getenv], for several
// workspaces in one process and for tests.
func FromLookup(getenv func(name string) string) Option {
	return optionFunc(func(s *settings) { s.getenv = getenv })
}
