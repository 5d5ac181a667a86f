package localserver

import (
	"testing"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// A server has the limits of its configuration.
func TestLargeRequestSettings(t *testing.T) {
	for text, want := range map[string][2]int64{
		"": {0, 100 << 20},
		"largeRequestThreshold=1000\nlargeRequestMaxBytes=5000\n": {1000, 5000},
		"largeRequestThreshold=0\n":                               {1, 100 << 20},
	} {
		cfg, warnings, err := zoocfg.Parse("zoo.cfg", []byte("dataDir=/nowhere\nclientPort=1\n"+text), nil)
		if err != nil || len(warnings) > 0 {
			t.Fatal(warnings, err)
		}
		m, _, err := memberOptions(cfg, serverOptions{})
		if err != nil || [2]int64{int64(m.LargeThreshold), m.LargeMax} != want {
			t.Errorf("%q: threshold %d, at most %d, want %v, %v", text, m.LargeThreshold, m.LargeMax, want, err)
		}
	}
}
