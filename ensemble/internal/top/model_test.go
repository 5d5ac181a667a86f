package top

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	zk "github.com/zkctl/zkctl/internal/client"
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

// TestMemberAtTwoAddresses: one that is found to be another did not leave, nor was there an election.
func TestMemberAtTwoAddresses(t *testing.T) {
	at := func(host string) *probe.Reading {
		return &probe.Reading{Member: probe.Member{Addresses: []zk.Address{{Host: host, Port: 2181}}}, State: probe.Serving, Mode: "leader"}
	}
	var c chronicle
	c.observe(time.Now(), &probe.Survey{Readings: []*probe.Reading{at("balancer")}})
	c.observe(time.Now(), &probe.Survey{Readings: []*probe.Reading{at("zk1")}, Twice: []string{"balancer:2181"}})
	if len(c.events) > 0 {
		t.Errorf("%v", c.events)
	}
	c.observe(time.Now(), &probe.Survey{Readings: []*probe.Reading{at("zk2")}})
	if len(c.events) != 2 || c.events[0].Text != "zk1:2181 left the ensemble" {
		t.Errorf("%v", c.events)
	}
}
