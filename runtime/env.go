package runtime

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// The environment of a workspace, as the platform's provisioner and people set
// it. FromEnv documents each.
const (
	envWorkspaceID = "WORKSPACE_ID"
	envPlatformURL = "PLATFORM_URL"
	envConfigsDir  = "CONFIGS_DIR"
	envConfigPath  = "WORKSPACE_CONFIG_PATH"
	envAgentURL    = "AGENT_URL"
	envInterval    = "HEARTBEAT_INTERVAL"
	envLogLevel    = "LOG_LEVEL"
	envLogFormat   = "LOG_FORMAT"
	envOrgID       = "MOLECULE_ORG_ID"
	envHostname    = "HOSTNAME"
	envDocker      = "DOCKER_VERSION"
	envCollector   = "OTEL_EXPORTER_OTLP_ENDPOINT"
)

// Where a platform is looked for when PLATFORM_URL is not set: what the Python
// runtime assumed, so that the two can be exchanged.
const (
	dockerPlatformURL = "http://host.docker.internal:8080"
	localPlatformURL  = "http://localhost:8080"
)

// FromEnv takes the settings from the environment of the process, read once,
// by New:
//
//	WORKSPACE_ID           the workspace's id, a UUID; required
//	PLATFORM_URL           the platform; default http://host.docker.internal:8080
//	                       in a container (DOCKER_VERSION is set, or the file
//	                       /.dockerenv exists), else http://localhost:8080
//	CONFIGS_DIR            directory of config.yaml and of the token file .auth_token
//	WORKSPACE_CONFIG_PATH  the same directory, when CONFIGS_DIR is not set; default /configs
//	AGENT_URL              the base URL to advertise; default http://HOSTNAME:port
//	HEARTBEAT_INTERVAL     such as 30s, the default
//	LOG_LEVEL              debug, info (the default), warn or error
//	LOG_FORMAT             text (the default) or json
//	MOLECULE_ORG_ID        the organisation, on hosted platforms
//	HOSTNAME               default: the machine's name
//	OTEL_EXPORTER_OTLP_ENDPOINT
//	                       only noticed: when it is set and the program has no
//	                       telemetry (package runtime/telemetry), the log says so
//
// A variable that is empty counts as not set. A value that cannot be used is
// an error of New, which names the variable, the value and the remedy. The
// variables that config.yaml asks for (required_env, MODEL_PROVIDER) are looked
// up in the same environment. Unless [WithLogger] is given, the log goes to
// standard error.
func FromEnv() Option { return FromLookup(os.Getenv) }

// FromLookup is [FromEnv] over a function like [os.Getenv], for several
// workspaces in one process and for tests.
func FromLookup(getenv func(name string) string) Option {
	return optionFunc(func(s *settings) {
		s.getenv = getenv
		e := environment{getenv: getenv, settings: s}
		e.read()
	})
}

// environment reads variables into settings and keeps what is wrong with them.
type environment struct {
	getenv   func(string) string
	settings *settings
}

func (e environment) read() {
	s := e.settings
	e.named(envWorkspaceID, &s.workspaceID)
	e.named(envAgentURL, &s.agentURL)
	e.named(envPlatformURL, &s.platformURL)
	if s.platformURL.value == "" {
		s.platformURL = named{e.defaultPlatformURL(), envPlatformURL}
	}
	if v := e.get(envOrgID); v != "" {
		s.orgID = v
	}
	if v := e.get(envHostname); v != "" {
		s.hostname = v
	}

	if configs, path := e.get(envConfigsDir), e.get(envConfigPath); configs != "" || path != "" {
		s.configDir = config.Dir(e.get)
		if configs != "" && path != "" && filepath.Clean(configs) != filepath.Clean(path) {
			s.warnings = append(s.warnings, fmt.Sprintf(
				"%s is %q and %s is %q: two names for one directory; the first is used for config.yaml and the token, set both to the same or only one",
				envConfigsDir, configs, envConfigPath, path))
		}
	}

	if v := e.get(envInterval); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			s.bad(envInterval, v, "is not a duration; write a number with a unit, such as 30s or 1m")
		} else if d <= 0 {
			s.bad(envInterval, v, "is not positive; write a duration such as 30s")
		} else {
			s.interval = d
		}
	}

	var level slog.Level
	if v := e.get(envLogLevel); v != "" {
		if err := level.UnmarshalText([]byte(v)); err != nil {
			s.bad(envLogLevel, v, "is not a log level; use debug, info, warn or error")
		}
	}
	format := strings.ToLower(e.get(envLogFormat))
	if format != "" && format != "text" && format != "json" {
		s.bad(envLogFormat, format, "is not a log format; use text or json")
	}
	s.envLogger = func(w io.Writer) *slog.Logger {
		opts := &slog.HandlerOptions{Level: level}
		if format == "json" {
			return slog.New(slog.NewJSONHandler(w, opts))
		}
		return slog.New(slog.NewTextHandler(w, opts))
	}
}

func (e environment) get(name string) string { return strings.TrimSpace(e.getenv(name)) }

// named sets into to the variable, unless it is empty.
func (e environment) named(name string, into *named) {
	if v := e.get(name); v != "" {
		*into = named{v, name}
	}
}

// defaultPlatformURL tells by the same two signs as the Python runtime whether
// this process runs in a container.
func (e environment) defaultPlatformURL() string {
	if e.getenv(envDocker) != "" {
		return dockerPlatformURL
	}
	if _, err := os.Stat("/.dockerenv"); err == nil {
		return dockerPlatformURL
	}
	return localPlatformURL
}

// urlFault says what is wrong with a base URL and what to write instead, or
// "" when nothing is.
func urlFault(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "is not a URL; write it like http://host:8080"
	case u.Scheme != "http" && u.Scheme != "https":
		return "has no http or https in front; write it like http://host:8080"
	case u.Host == "" || u.Hostname() == "":
		return "names no host; write it like http://host:8080"
	case u.User != nil:
		return "carries a user name or password; leave it out"
	case u.RawQuery != "" || u.Fragment != "":
		return "has a query or a fragment; write only scheme, host, port and path"
	}
	return ""
}

// redactURL is raw as it may be shown: without what stands before an @, which
// may be a password, and without a query or fragment, which may hold a key.
func redactURL(raw string) string {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		raw = raw[:i+1] + "[redacted]"
	}
	at := strings.LastIndex(raw, "@")
	if at < 0 {
		return raw
	}
	scheme, _, ok := strings.Cut(raw, "://")
	if !ok || len(scheme) > at {
		return "[redacted]" + raw[at:]
	}
	return scheme + "://[redacted]" + raw[at:]
}
