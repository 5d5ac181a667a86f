package replica

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Differs(admin-foreign-pages): Apache's AdminServer and its metrics answer any web page open in
// the browser of someone who can connect. A page whose host name its owner points to 127.0.0.1 (DNS
// rebinding) could read a developer's server and roll it back.

// foreign returns why a request comes from another site's web page, or "" if it does not.
func (v *web) foreign(r *http.Request) string {
	if v.local && !v.named(r.Host) {
		return fmt.Sprintf("the "+v.what+" is for this machine only, and anyone can give it a host name such as %q: use localhost or the IP address", r.Host)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" {
		return "the request comes from another site's web page (Sec-Fetch-Site: cross-site): type the address instead"
	}
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return fmt.Sprintf("the request comes from a web page of another origin (Origin: %q)", origin)
		}
	}
	return ""
}

// named reports whether host, with or without a port, is a name of this machine that nobody else
// can assign. Browsers always send a Host; a client that sends none is not a browser.
func (v *web) named(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "" || strings.EqualFold(host, "localhost") || strings.EqualFold(host, v.host)
}

// onLoopback reports whether only this machine can connect to an address.
func onLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
