package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// This file holds all there is of the retry library (MPL-2.0): its defaults
// retry every method, know no jitter, obey any Retry-After and log to stderr.

// Retry says how a call that is safe to repeat is repeated: after a failure to
// get an answer, a 429 or a 5xx other than 501. The zero value of each field
// stands for its default.
type Retry struct {
	// Attempts is how often a call is tried in all. Default: 4; 1 is never again.
	Attempts int
	// MinWait and MaxWait bound the wait before another attempt: it is drawn
	// between nothing and MinWait, then twice that, and so on up to MaxWait.
	// Default: 250 ms and 5 s.
	MinWait, MaxWait time.Duration
	// MaxRetryAfter is the longest Retry-After that is waited for; when the
	// platform asks for more the call fails at once and the error says how
	// long. Default: 30 s.
	MaxRetryAfter time.Duration
}

func (r Retry) check() error {
	if r.Attempts < 0 || r.MinWait < 0 || r.MaxWait < 0 || r.MaxRetryAfter < 0 {
		return fmt.Errorf("registry: Retry %+v: negative values; leave a field zero for its default", r)
	}
	return nil
}

func (r Retry) withDefaults() Retry {
	if r.Attempts == 0 {
		r.Attempts = 4
	}
	if r.MinWait == 0 {
		r.MinWait = 250 * time.Millisecond
	}
	if r.MaxWait == 0 {
		r.MaxWait = max(5*time.Second, r.MinWait)
	}
	if r.MaxRetryAfter == 0 {
		r.MaxRetryAfter = 30 * time.Second
	}
	return r
}

// newRetrier puts the policy around hc.
func newRetrier(hc *http.Client, r Retry, log *slog.Logger) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient:   hc,
		Logger:       nil, // it would write URLs; the hook below writes what matters
		RetryMax:     r.Attempts - 1,
		ErrorHandler: retryablehttp.PassthroughErrorHandler, // the last answer is the caller's
		CheckRetry: func(ctx context.Context, resp *http.Response, err error) (bool, error) {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if err != nil {
				return mayPass(err), err
			}
			return worthRepeating(resp) && retryAfter(resp.Header) <= r.MaxRetryAfter, nil
		},
		Backoff: func(_, _ time.Duration, attempt int, resp *http.Response) time.Duration {
			if resp != nil {
				if d := retryAfter(resp.Header); d > 0 {
					// Everybody was told the same time; come back apart.
					return d + jittered(r, 0, rand.Float64())
				}
			}
			return jittered(r, attempt, rand.Float64())
		},
		RequestLogHook: func(_ retryablehttp.Logger, req *http.Request, attempt int) {
			if attempt > 0 {
				again(req.Context(), attempt)
				log.DebugContext(req.Context(), "trying again", "method", req.Method, "path", req.URL.Path, "attempt", attempt+1)
			}
		},
	}
}

// readWhole fetches the body while a repeat is still possible: an answer that
// breaks off in the middle is none.
func readWhole(resp *http.Response) error {
	body, err := readBody(resp)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return err
}

// jittered is full jitter: anywhere between nothing and the bound.
func jittered(r Retry, attempt int, random float64) time.Duration {
	bound := float64(r.MinWait) * math.Pow(2, float64(min(attempt, 30)))
	return time.Duration(random * min(bound, float64(r.MaxWait)))
}

func worthRepeating(resp *http.Response) bool {
	return resp.StatusCode == http.StatusTooManyRequests ||
		(resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented)
}

// mayPass reports whether a failure to get an answer may be gone a moment
// later.
func mayPass(err error) bool {
	var unknownAuthority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errRedirect), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &unknownAuthority), errors.As(err, &certificate):
		return false
	}
	return true
}

// retryAfter is how long an answer asks to wait, 0 when it does not: seconds or
// a date (RFC 9110 section 10.2.3). The platform rounds its seconds down, so
// one is added: after sleeping exactly that long the next answer may be a 429
// again, with Retry-After: 0.
func retryAfter(h http.Header) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		if n < 0 {
			return 0
		}
		const most = int64(365 * 24 * time.Hour / time.Second)
		return time.Duration(min(n, most)+1) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}
