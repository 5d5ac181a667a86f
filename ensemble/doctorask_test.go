package ensemble

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
)

// The certificate of a port is read whether zkctl itself connects with TLS or not.
func TestChainOf(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	for _, own := range []*tls.Config{nil, {}} {
		chain := chainOf(t.Context(), &probe.Prober{Client: client.Config{TLS: own}}, s.Listener.Addr().String())
		if len(chain) == 0 || !chain[0].Equal(s.Certificate()) {
			t.Errorf("TLS of its own %v: %d certificates", own != nil, len(chain))
		}
	}
}
