package localserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/replica"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// The configuration can turn off parts of the AdminServer.
func TestAdminSettings(t *testing.T) {
	for _, c := range []struct {
		text                  string
		noSnapshot, noRestore bool
		interval              time.Duration
	}{
		{"", false, false, 5 * time.Minute},
		{"admin.snapshot.enabled=false\nadmin.restore.enabled=false\nadmin.rateLimiterIntervalInMS=1000\n", true, true, time.Second},
	} {
		cfg, warnings, err := zoocfg.Parse("zoo.cfg", []byte("dataDir=/nowhere\nclientPort=1\nadmin.serverAddress=devbox\n"+c.text), nil)
		if err != nil || len(warnings) > 0 {
			t.Fatal(warnings, err)
		}
		s := &server{cfg: cfg}
		if a := s.adminOptions(serverOptions{}, replica.Options{}, zab.JournalOptions{}); a.NoSnapshot != c.noSnapshot ||
			a.NoRestore != c.noRestore || a.RateInterval != c.interval || a.Host != "devbox" {
			t.Errorf("%q: %+v", c.text, a)
		}
	}
}

// Whoever reaches the AdminServer does not learn the passwords of the configuration.
func TestAdminHidesPasswords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zoo.cfg")
	text := "dataDir=/nowhere\n#password=comment\nssl.keyStore.password=hush\r\n  SASLAuthenticationProvider.superPassword : hush\nssl.keyStore.passwordPath=/path\nssl.trustStore.password hush\nclientPort=1\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := zoocfg.Default()
	cfg.File = path
	s := &server{cfg: cfg}
	a := s.adminOptions(serverOptions{system: map[string]string{"zookeeper.SASLAuthenticationProvider.superPassword": "hush", "x": "y"}}, replica.Options{}, zab.JournalOptions{})
	if p := a.Properties; p["zookeeper.SASLAuthenticationProvider.superPassword"] != hidden || p["x"] != "y" {
		t.Errorf("the properties are %v", p)
	}
	if strings.Contains(a.InitialConfig, "hush") || strings.Count(a.InitialConfig, hidden) != 3 ||
		!strings.Contains(a.InitialConfig, "ssl.keyStore.passwordPath=/path\n") || !strings.HasSuffix(a.InitialConfig, "\nclientPort=1\n") || !strings.Contains(a.InitialConfig, "#password=comment\n") {
		t.Errorf("the configuration is %s", a.InitialConfig)
	}
}
