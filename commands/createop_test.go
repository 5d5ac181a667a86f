package commands

import (
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// A client that may not create an ephemeral znode learns which server setting allows it.
func TestExplainEphemeralOnLocalSession(t *testing.T) {
	text := creation{mode: proto.Ephemeral}.explain(proto.ErrEphemeralOnLocal).Error()
	for _, want := range []string{"Unable to create ephemeral node on a local session", "localSessionsUpgradingEnabled=true"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q, without %q", text, want)
		}
	}
}
