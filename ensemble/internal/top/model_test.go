package top

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
)

// TestBlind: a setting is named only if it would help.
func TestBlind(t *testing.T) {
	r := &probe.Reading{State: probe.Serving}
	m := &model{survey: &probe.Survey{Readings: []*probe.Reading{r}}}
	for reason, advised := range map[error]bool{fmt.Errorf("cons is %w", probe.ErrNotWhitelisted): true, errors.New("no answer in time"): false} {
		m.listings = map[string]*listing{r.Name(): {member: &r.Member, err: reason}}
		if got := m.blind(); !strings.Contains(got, reason.Error()) || strings.Contains(got, "4lw.commands.whitelist=") != advised {
			t.Errorf("%v: %q", reason, got)
		}
	}
}
