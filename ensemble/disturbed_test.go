package ensemble

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await/awaittest"
	"github.com/zkctl/zkctl/localserver"
)

// disturbable is a member that a test kills and pauses.
type disturbable interface {
	Addr() string
	Kill() error
	Pause() error
	Resume() error
	Restart(ctx context.Context) error
}

// patienceInTests is --timeout. An answer must arrive within a second of it.
const patienceInTests = time.Second

// askedAfter returns what status reports, and checks that it is in time.
func askedAfter(t *testing.T, servers string, options []string) status {
	t.Helper()
	args := append([]string{"--timeout", patienceInTests.String()}, options...)
	began := awaittest.Start()
	s, o := statusOf(t, servers, args...)
	if took, late := began.Late(patienceInTests + time.Second); late {
		t.Errorf("status took %v", took)
	}
	if s.Quorum == nil && o.code != exitUnknown || s.Quorum != nil && *s.Quorum != (o.code == 0) {
		t.Errorf("quorum %v with exit code %d: %s", s.Quorum, o.code, o.out)
	}
	return s
}

// awaited asks until the answer is good. Each answer before must not be wrong.
func awaited(t *testing.T, servers string, options []string, what string, wrong, good func(s status) bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		s := askedAfter(t, servers, options)
		if wrong != nil && wrong(s) {
			t.Fatalf("%s: %+v", what, s)
		}
		if good(s) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still %+v", what, s)
		}
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

// disturb kills and pauses members, and checks what status reports at once and afterwards. There are three.
func disturb(t *testing.T, servers string, members []disturbable, options ...string) {
	well := func(s status) bool {
		return isTrue(s.Quorum) && *s.Tolerates == 1 && len(s.Problems) == 0 && s.Leader != ""
	}
	await := func(what string) (leader, follower disturbable) {
		var at string
		awaited(t, servers, options, what, nil, func(s status) bool { at = s.Leader; return well(s) })
		for _, m := range members {
			if m.Addr() == at {
				leader = m
			} else {
				follower = m
			}
		}
		return leader, follower
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	without := func(m disturbable, state string) func(s status) bool {
		return func(s status) bool {
			return isTrue(s.Quorum) && *s.Tolerates == 0 && s.Serving == 2 && s.Leader != "" && s.Leader != m.Addr() &&
				strings.Contains(strings.ReplaceAll(fmt.Sprint(s.Problems), ")", ""), m.Addr()+" is "+state)
		}
	}
	not := func(is func(status) bool) func(status) bool { return func(s status) bool { return !is(s) } }
	untrue := func(m disturbable) func(status) bool { // a quorum is claimed that only the old leader could have
		return func(s status) bool { return isTrue(s.Quorum) && (s.Leader == "" || s.Leader == m.Addr()) }
	}

	_, follower := await("at the beginning")
	must(follower.Kill())
	is := without(follower, "down")
	awaited(t, servers, options, "a follower is killed", not(is), is)
	must(follower.Restart(t.Context()))

	_, follower = await("a follower is restarted")
	must(follower.Pause())
	is = without(follower, "silent")
	awaited(t, servers, options, "a follower hangs", not(is), is)
	must(follower.Resume())

	leader, _ := await("a follower goes on")
	must(leader.Pause())
	awaited(t, servers, options, "the leader hangs", untrue(leader), without(leader, "silent"))
	must(leader.Resume())

	leader, _ = await("the old leader goes on")
	must(leader.Kill())
	awaited(t, servers, options, "the leader is killed", untrue(leader), without(leader, "down"))
}

func TestStatusOfDisturbedMembers(t *testing.T) {
	t.Parallel()
	e := embedded(t, 3, map[string]string{"admin.enableServer": "false"})
	var members []disturbable
	for _, m := range e.Members() {
		members = append(members, m)
	}
	t.Run("disturbed", func(t *testing.T) { disturb(t, e.ConnectString(), members, "--admin-port", "0") })
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	leader, err := e.WaitLeader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var cut *localserver.Member
	for _, m := range e.Members() {
		if m != leader {
			cut = m
		}
	}
	if err := e.Partition([]int64{cut.ID()}); err != nil {
		t.Fatal(err)
	}
	awaited(t, e.ConnectString(), []string{"--admin-port", "0"}, "a follower is cut off", func(s status) bool { return s.Leader != leader.Addr() },
		func(s status) bool {
			return isTrue(s.Quorum) && *s.Tolerates == 0 && s.Serving == 2 && strings.Contains(fmt.Sprint(s.Problems), "does not serve")
		})
}
