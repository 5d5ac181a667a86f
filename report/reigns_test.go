package report

import (
	"testing"

	"github.com/zkctl/zkctl/internal/survey"
)

// A server that does not find its leader does not end the leader's reign.
func TestReignGoesOnWhileAServerDoesNotJoin(t *testing.T) {
	list := []survey.Election{{Result: "elected", Leader: "3", Start: 1000, End: 2000}, {Result: "none", Serving: "3", Start: 5000, End: 9000}}
	if got := reigns(list, 1000, 10_000); len(got) != 1 || len(got[0].spans) != 1 || got[0].spans[0].to != 10_000 {
		t.Errorf("%+v", got)
	}
}
