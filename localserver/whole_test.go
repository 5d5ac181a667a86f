package localserver

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// Every action on a member also exists for the whole ensemble.
func TestWholeEnsemble(t *testing.T) {
	for _, size := range []int{1, 3} {
		e := New(t, Options{Size: size, Properties: quick})
		write(t, e, "/a")
		all := func(what string, is func(*Member) bool) {
			t.Helper()
			for _, m := range e.Members() {
				if !is(m) {
					t.Errorf("after %s member %d is %s", what, m.ID(), m.Status(t.Context()).Role)
				}
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(e.Pause())
		all("Pause", (*Member).Paused)
		must(e.Resume())
		all("Resume", func(m *Member) bool { return m.Running() && !m.Paused() })
		must(e.Kill())
		all("Kill", func(m *Member) bool { return !m.Running() })
		must(e.Pause()) // nobody
		if _, err := e.Leader(t.Context()); !errors.Is(err, ErrNoLeader) {
			t.Errorf("the leader of an ensemble that does not run: %v", err)
		}
		soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := e.WaitLeader(soon); !errors.Is(err, ErrNoLeader) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for it: %v", err)
		}
		must(e.Start(t.Context()))
		has(t, e, "/a")
		must(e.Stop())
		all("Stop", func(m *Member) bool { return !m.Running() })
		must(e.Restart(t.Context()))
		has(t, e, "/a")
		select {
		case <-e.Done():
			t.Error("an ensemble that was stopped and started again is done")
		default:
		}
	}
}

// Done and Err report a member that cannot continue.
func TestDone(t *testing.T) {
	e := New(t, Options{Ephemeral: true})
	e.Member(1).embedded().Fail(errors.New("no space left on device"))
	<-e.Done()
	if err := e.Err(); err == nil || !strings.Contains(err.Error(), "member 1: no space left") {
		t.Error(err)
	}
	e = New(t, Options{Ephemeral: true})
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	<-e.Done()
	if err := e.Err(); err != nil {
		t.Error(err)
	}
}
