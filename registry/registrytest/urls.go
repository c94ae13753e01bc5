package registrytest

import (
	"context"
	"net"
	"net/netip"
	"net/url"
)

// The ranges the platform never registers, and those it registers only when it
// is hosted.
var (
	neverRanges = prefixes("169.254.0.0/16", "127.0.0.0/8", "fe80::/10", "::1/128", "192.0.2.0/24", "198.51.100.0/24",
		"203.0.113.0/24", "100.64.0.0/10", "224.0.0.0/4", "fc00::/8", "2001:db8::/32")
	privateRanges = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8")
)

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// acceptsURL is the platform's judgement of the address in a registration.
func (p *Platform) acceptsURL(ctx context.Context, raw string) bool {
	if p.cfg.anyURL {
		return true
	}
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return false
	}
	host := u.Hostname()
	if host == "localhost" { // in exactly this spelling, and without a look-up
		return true
	}
	addrs := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, a)
	} else if p.cfg.inMemory {
		return p.net.knows(u.Host)
	} else if addrs, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil || len(addrs) == 0 {
		return false
	}
	for _, a := range addrs {
		if p.forbids(a.Unmap()) {
			return false
		}
	}
	return true
}

func (p *Platform) forbids(a netip.Addr) bool {
	for _, r := range neverRanges {
		if r.Contains(a) {
			return true
		}
	}
	if p.cfg.mode == SaaS {
		return false
	}
	for _, r := range privateRanges {
		if r.Contains(a) {
			return true
		}
	}
	return false
}

// Where the proxy never delivers to, not even in development.
var undeliverable = prefixes("169.254.0.0/16", "fe80::/10", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",
	"2001:db8::/32", "100.64.0.0/10")

// routable is the proxy's own judgement, when it delivers. In development it
// lets loopback and private addresses pass, which the registration does not but
// for the name localhost.
func (p *Platform) routable(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return !p.cfg.production
	}
	a, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return true // a name
	}
	a = a.Unmap()
	for _, r := range undeliverable {
		if r.Contains(a) {
			return false
		}
	}
	return !a.IsUnspecified() && (!p.cfg.production || !p.forbids(a))
}
