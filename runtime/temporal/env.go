package temporal

import (
	"fmt"
	"os"
	"strings"

	"go.temporal.io/sdk/contrib/envconfig"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// Variables that FromEnv reads itself.
const (
	envHost    = "TEMPORAL_HOST"
	envAddress = "TEMPORAL_ADDRESS" // its name at the Temporal CLI
)

// FromEnv is [Durable] with the server that the environment names, and nothing
// when TEMPORAL_HOST is not set:
//
//	TEMPORAL_HOST                           host:port; not set: turns are not durable
//	TEMPORAL_NAMESPACE                      default: default
//	TEMPORAL_API_KEY                        for Temporal Cloud; implies TLS
//	TEMPORAL_TLS                            true or false
//	TEMPORAL_TLS_CLIENT_CERT_PATH, _DATA    and _KEY_PATH, _KEY_DATA: the client's certificate
//	TEMPORAL_TLS_SERVER_CA_CERT_PATH, _DATA who has signed the server's
//	TEMPORAL_TLS_SERVER_NAME                which it is for, when not for the host
//
// and the other variables of the Temporal CLI that concern the connection, read
// by its own package; files of profiles are not. Options win over the
// environment. What is wrong with a variable is an error of [runtime.New].
func FromEnv(opts ...Option) runtime.Option { return FromLookup(os.LookupEnv, opts...) }

// FromLookup is [FromEnv] over a function like [os.LookupEnv].
func FromLookup(lookup func(name string) (string, bool), opts ...Option) runtime.Option {
	if host, ok := lookup(envHost); !ok || strings.TrimSpace(host) == "" {
		return runtime.WithDurability(nil)
	}
	return Durable(append([]Option{fromEnv(lookup)}, opts...)...)
}

func fromEnv(lookup func(string) (string, bool)) Option {
	return optionFunc(func(c *config) {
		o, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{
			DisableFile: true, EnvLookup: environment(lookup),
		})
		if err != nil {
			c.faults = append(c.faults, fmt.Errorf("temporal: the environment's TEMPORAL_ variables: %w", err))
			return
		}
		if o.Namespace == "" {
			o.Namespace = DefaultNamespace
		}
		c.client = o
	})
}

// environment lets package envconfig find the host under our name for it.
type environment func(string) (string, bool)

func (e environment) LookupEnv(name string) (string, bool) {
	if name == envAddress {
		host, ok := e(envHost)
		return strings.TrimSpace(host), ok
	}
	return e(name)
}

// Environ is asked for variables whose names are not known before: headers.
func (e environment) Environ() []string { return nil }
