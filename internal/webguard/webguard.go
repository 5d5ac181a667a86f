// Package webguard keeps other sites' web pages out of this program's HTTP servers. They are open
// to all who can connect, and so to every page in the browser of someone who can: also to a page
// whose host name its owner has pointed to 127.0.0.1 (DNS rebinding).
package webguard

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Differs(admin-foreign-pages): Apache's AdminServer and its metrics answer any web page open in
// the browser of someone who can connect, which can so read a developer's server and roll it back.

// Guard knows one HTTP server.
type Guard struct {
	What  string // the server's name in messages
	Name  string // a host name that is the server's, besides localhost and addresses
	Local bool   // only this machine can connect: names that others can assign are refused
}

// Foreign returns why a request comes from another site's web page, or "" if it does not.
func (g Guard) Foreign(r *http.Request) string {
	if g.Local && !g.named(r.Host) {
		return fmt.Sprintf("the "+g.What+" is for this machine only, and anyone can give it a host name such as %q: use localhost or the IP address", r.Host)
	}
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return "the request comes from another site's web page (Sec-Fetch-Site: cross-site): type the address instead"
	}
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return fmt.Sprintf("the request comes from a web page of another origin (Origin: %q)", origin)
		}
	}
	return ""
}

// Handler answers foreign requests with 403 and why, and lets next answer the others.
func (g Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := g.Foreign(r); why != "" {
			http.Error(w, why, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// named reports whether host, with or without a port, is a name of this machine that nobody else
// can assign. Browsers always send a Host; a client that sends none is not a browser.
func (g Guard) named(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "" || strings.EqualFold(host, "localhost") || strings.EqualFold(host, g.Name)
}

// OnLoopback reports whether only this machine can connect to an address.
func OnLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
