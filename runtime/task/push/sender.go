package push

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// DefaultTimeout is how long one delivery may take.
const DefaultTimeout = 10 * time.Second

// Bounds on what a caller names and a target answers.
const (
	maxURL        = 2048
	maxBody       = 4 << 10 // of an answer that is read, to use the connection again
	maxRetryAfter = time.Hour
)

// Sender is a [task.Notifier]. Make it with [NewSender]; its methods are safe
// for concurrent use.
type Sender struct {
	allow  []netip.Prefix
	key    []byte
	client *http.Client
}

var _ task.Notifier = (*Sender)(nil)

// Option changes what [NewSender] makes.
type Option interface{ apply(*Sender) }

type optionFunc func(*Sender)

func (f optionFunc) apply(s *Sender) { f(s) }

// WithAllow lets targets be in these networks although they are not on the
// public internet. Default: none.
func WithAllow(networks ...netip.Prefix) Option {
	return optionFunc(func(s *Sender) { s.allow = append(s.allow, networks...) })
}

// WithTimeout sets how long one delivery may take. Default, and anything not
// above zero: [DefaultTimeout].
func WithTimeout(d time.Duration) Option {
	return optionFunc(func(s *Sender) {
		if d > 0 {
			s.client.Timeout = d
		}
	})
}

// WithSigningKey signs deliveries: the headers Webhook-Id, Webhook-Timestamp
// (Unix seconds) and Webhook-Signature, "v1," and the base64 of the HMAC-SHA256
// over "ID.TIMESTAMP.BODY", as the specification Standard Webhooks has it. The
// targets have to know the key. Default: no signature.
func WithSigningKey(key []byte) Option {
	return optionFunc(func(s *Sender) { s.key = bytes.Clone(key) })
}

// NewSender makes a Sender with connections of its own.
func NewSender(opts ...Option) *Sender {
	s := &Sender{}
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: s.guard}
	s.client = &http.Client{
		Timeout: DefaultTimeout,
		Transport: &http.Transport{
			DialContext:           dialer.DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          32,
			MaxConnsPerHost:       8,
			IdleConnTimeout:       30 * time.Second,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: DefaultTimeout,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, o := range opts {
		o.apply(s)
	}
	return s
}

// Close gives idle connections back.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Check implements [task.Notifier]: a target is an absolute http or https URL
// without user information, and if its host is an address, one that may be
// reached.
func (s *Sender) Check(target string) error {
	if len(target) > maxURL {
		return fmt.Errorf("it is longer than %d bytes", maxURL)
	}
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return errors.New("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("it must begin with https:// or http://")
	case u.Hostname() == "":
		return errors.New("it names no host")
	case u.User != nil:
		return errors.New("it has a user name in it; give credentials as authentication")
	case u.Fragment != "":
		return errors.New("it has a fragment, which no server gets to see")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !s.mayReach(a) {
		return errors.New("its host is not on the public internet, and this agent is not configured to reach it")
	}
	return nil
}

// Notify implements [task.Notifier].
func (s *Sender) Notify(ctx context.Context, n task.Notification) error {
	req, err := s.request(ctx, n)
	if err != nil {
		return &task.NotifyError{Permanent: true, Err: err}
	}
	res, err := s.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // its text has the whole URL in it
		}
		return &task.NotifyError{Permanent: errors.Is(err, ErrBlocked), Err: err}
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxBody)
	_ = res.Body.Close()
	return verdict(res)
}

func (s *Sender) request(ctx context.Context, n task.Notification) (*http.Request, error) {
	c := n.Config
	if err := s.Check(c.URL); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(n.Body))
	if err != nil {
		return nil, errors.New("the URL cannot be requested")
	}
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("Webhook-Id", n.ID)
	if c.Token != "" {
		h.Set("A2A-Notification-Token", c.Token)
		h.Set("X-A2A-Notification-Token", c.Token) // where receivers of A2A 0.3 look
	}
	if c.Auth != nil && c.Auth.Credentials != "" {
		scheme := c.Auth.Scheme
		if scheme == "" || strings.EqualFold(scheme, "bearer") {
			scheme = "Bearer"
		}
		h.Set("Authorization", scheme+" "+c.Auth.Credentials)
	}
	for name := range h {
		if strings.ContainsFunc(h.Get(name), unicode.IsControl) {
			return nil, fmt.Errorf("the value of %s has characters in it that a header cannot have", name)
		}
	}
	if s.key != nil {
		at := strconv.FormatInt(time.Now().Unix(), 10)
		h.Set("Webhook-Timestamp", at)
		h.Set("Webhook-Signature", "v1,"+sign(s.key, n.ID, at, n.Body))
	}
	return req, nil
}

func sign(key []byte, id, at string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// verdict makes of an answer what is to be done. A client error is for good,
// but for those that say that the time was wrong; so is a redirect.
func verdict(res *http.Response) error {
	status := res.StatusCode
	if status >= 200 && status < 300 {
		return nil
	}
	e := &task.NotifyError{Err: fmt.Errorf("the target answers %d %s", status, http.StatusText(status))}
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly,
		status == http.StatusTooManyRequests, status >= 500:
		if n, err := strconv.Atoi(strings.TrimSpace(res.Header.Get("Retry-After"))); err == nil && n > 0 {
			e.RetryAfter = min(time.Duration(min(n, 1<<20))*time.Second, maxRetryAfter)
		}
	case status >= 300 && status < 400:
		e.Permanent = true
		e.Err = fmt.Errorf("%w: redirects are not followed", e.Err)
	default:
		e.Permanent = true
	}
	return e
}
