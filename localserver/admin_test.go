package localserver

import (
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
