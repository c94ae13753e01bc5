package telemetry

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
)

// langfuse is where a Langfuse server takes traces: OTLP below its own path,
// with its two keys as Basic authentication.
type langfuse struct {
	endpoint string
	basic    string // the value of the Authorization header: a secret
}

// readLangfuse reads the three variables, nil when none is set. An error does
// not show the keys.
func readLangfuse() (*langfuse, error) {
	host, public, secret := get(envLangfuseHost), get(envLangfusePublic), get(envLangfuseSecret)
	if host == "" && public == "" && secret == "" {
		return nil, nil
	}
	if host == "" || public == "" || secret == "" {
		return nil, fmt.Errorf("%s, %s and %s belong together: set all three, or none", envLangfuseHost, envLangfusePublic, envLangfuseSecret)
	}
	u, err := url.Parse(host)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New(envLangfuseHost + " is not a base URL; write it like https://cloud.langfuse.com")
	}
	return &langfuse{
		endpoint: strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/") + "/api/public/otel/v1/traces",
		basic:    "Basic " + base64.StdEncoding.EncodeToString([]byte(public+":"+secret)),
	}, nil
}

// options are those of its exporter. It has a client of its own, and no header
// but its own: what OTEL_EXPORTER_OTLP_HEADERS holds is for the other collector.
func (l *langfuse) options() []otlptracehttp.Option {
	return []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(l.endpoint),
		otlptracehttp.WithHeaders(map[string]string{"Authorization": l.basic}),
		otlptracehttp.WithHTTPClient(&http.Client{
			Timeout: 10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse // the keys are for this address
			},
		}),
	}
}
