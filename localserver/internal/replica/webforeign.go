package replica

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Differs(admin-foreign-pages): Apache's AdminServer answers every web page that the browser of
// somebody who may connect has open, and so do its metrics. A page of a name that its owner lets point to 127.0.0.1
// (DNS rebinding) could read what a developer's server has, and roll it back.

// foreign says why a request is a web page's from elsewhere; "" when it is not.
func (v *web) foreign(r *http.Request) string {
	if v.local && !v.named(r.Host) {
		return fmt.Sprintf("the "+v.what+" is for this machine, and host %q is a name that anybody may have given it: use localhost or the IP address", r.Host)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" {
		return "a web page of another site has asked (Sec-Fetch-Site: cross-site): type the address instead"
	}
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return fmt.Sprintf("a web page of another origin has asked (Origin: %q)", origin)
		}
	}
	return ""
}

// named reports whether a host, which may have a port, is a name of this machine that nobody else
// can give it. Browsers send one; what sends none is no browser.
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
