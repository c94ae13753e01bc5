package push

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// ErrBlocked is in the error of a delivery to an address that callers must not
// reach through this process.
var ErrBlocked = errors.New("push: the address is not on the public internet")

// inner are the networks that are not the public internet, beside those that
// netip knows: RFC 6890 and its successors.
var inner = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network
	netip.MustParsePrefix("100.64.0.0/10"),    // carrier NAT (RFC 6598)
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's inner services
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved, and broadcast
	netip.MustParsePrefix("2001::/23"),        // protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),    // documentation
	netip.MustParsePrefix("2002::/16"),        // 6to4: an IPv4 address in disguise
}

// unicast6 is all of IPv6 that is given out (RFC 4291, section 2.4).
var unicast6 = netip.MustParsePrefix("2000::/3")

// public reports whether an address is on the public internet.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsPrivate() || a.IsMulticast() ||
		a.IsLinkLocalUnicast() || a.IsInterfaceLocalMulticast() || !a.IsGlobalUnicast() {
		return false
	}
	if a.Is6() && !unicast6.Contains(a) {
		return false
	}
	for _, p := range inner {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// guard is the control function of the dialer: it sees the address that is
// about to be dialed, whatever name it had.
func (s *Sender) guard(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("%w: %q", ErrBlocked, host)
	}
	if !s.mayReach(a) {
		return fmt.Errorf("%w: %s", ErrBlocked, a)
	}
	return nil
}

func (s *Sender) mayReach(a netip.Addr) bool {
	for _, p := range s.allow {
		if p.Contains(a.Unmap().WithZone("")) {
			return true
		}
	}
	return public(a)
}
