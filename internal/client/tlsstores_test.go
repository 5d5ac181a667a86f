package client

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/authority"
)

// TestTLSStores replaces a trust store while a session is open: the next connection uses the new one,
// or fails if it cannot be read. Without a change the store is read once.
func TestTLSStores(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trust.pem")
	age := time.Hour
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		age -= time.Second // whatever the resolution of the file system's clock is
		if at := time.Now().Add(-age); os.Chtimes(file, at, at) != nil {
			t.Fatal("the file's time cannot be set")
		}
	}
	certificate := func() []byte {
		t.Helper()
		a, err := authority.New("authority", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return a.CertPEM()
	}
	write(certificate())
	options := &TLSOptions{TrustStore: Store{File: file}}
	var cfg Config
	var err error
	if cfg.TLS, cfg.TLSStores, err = options.Open(); err != nil {
		t.Fatal(err)
	}
	trusted := cfg.TLS.RootCAs
	if c, err := cfg.secure("localhost"); err != nil || c.RootCAs != trusted {
		t.Errorf("an unchanged store: %v, or it is read again", err)
	}
	write([]byte("neither"))
	if _, err := cfg.secure("localhost"); err == nil {
		t.Error("a broken store is accepted")
	}
	write(certificate())
	if c, err := cfg.secure("localhost"); err != nil || c.RootCAs.Equal(trusted) {
		t.Errorf("a new store: %v, or it is not read", err)
	}
}
