package probe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// surveyOf makes a survey of members 1, 2, …: "leader@100000005", "down", "silent", "not serving", "observer". With config they
// make the configuration.
func surveyOf(t *testing.T, config bool, members ...string) *Survey {
	t.Helper()
	s := &Survey{}
	text := ""
	for i, m := range members {
		id := int64(i + 1)
		mode, zxid, _ := strings.Cut(m, "@")
		r := &Reading{Member: Member{ID: answer.Some(id), Addresses: []client.Address{{Host: fmt.Sprint("zk", id), Port: 2181}}}, State: Serving, Mode: mode, Version: "3.8.4-x"}
		switch mode {
		case "down":
			r.State, r.Mode, r.Version, r.Error = Down, "", "", errRefused
		case "silent":
			r.State, r.Mode, r.Version, r.Error = Silent, "", "", errTimeout
		case "not serving":
			r.State, r.Mode, r.Version, r.Error = NotServing, "", "", ErrNotServing
		}
		if zxid != "" {
			var z int64
			if _, err := fmt.Sscanf(zxid, "%x", &z); err != nil {
				t.Fatal(err)
			}
			r.Zxid = answer.Some(answer.Hex(z))
		}
		role := "participant"
		if mode == "observer" {
			role = "observer"
		}
		text += fmt.Sprintf("server.%d=zk%d:2888:3888:%s;2181\n", id, id, role)
		if config && role == "observer" {
			r.Role = answer.Some(zoocfg.Observer)
		}
		s.Readings = append(s.Readings, r)
	}
	if config {
		v, err := zoocfg.ParseVerifier([]byte(text + "version=0"))
		if err != nil {
			t.Fatal(err)
		}
		s.Config = &Config{QuorumVerifier: v, From: "zk1:2181"}
	}
	s.measureLag(nil)
	return s
}

func TestVerdicts(t *testing.T) {
	yes, no := answer.Some(true), answer.Some(false)
	var open answer.Opt[bool]
	for _, test := range []struct {
		members string
		quorum  answer.Opt[bool]
		says    string
	}{
		{"leader follower follower", yes, "quorum 3 of 3, leader zk1:2181: 1 failure is tolerated"},
		{"leader follower down", yes, "quorum 2 of 3, leader zk1:2181: one more failure stops writes"},
		{"leader follower silent", yes, "quorum 2 of 3, leader zk1:2181: one more failure stops writes"},
		{"leader follower follower follower down", yes, "quorum 4 of 5, leader zk1:2181: 1 more failure is tolerated"},
		{"leader follower follower follower follower", yes, "quorum 5 of 5, leader zk1:2181: 2 failures are tolerated"},
		{"leader follower follower observer", yes, "quorum 3 of 3, leader zk1:2181: 1 failure is tolerated"},
		{"leader follower", yes, "quorum 2 of 2, leader zk1:2181: any failure stops writes"},
		{"follower leader follower down down", yes, "quorum 3 of 5, leader zk2:2181: one more failure stops writes"},
		{"not_serving down down", no, "no quorum: no member serves clients"},
		{"read-only down down", no, "no quorum: the members that serve are read-only"},
		{"silent silent silent", open, "none of the 3 members answered"},
		{"leader leader follower", no, "two leaders: zk1:2181 and zk2:2181"},
		{"follower silent down", open, "quorum in doubt: 1 of 3 voters answered as serving, and 2 are needed"},
		{"follower follower silent", open, "quorum in doubt: 2 of 3 voters answered as serving, but no leader did"},
		{"follower follower down", open, "quorum in doubt: 2 of 3 voters answered as serving, but no leader did"},
		{"follower follower follower", yes, "quorum 3 of 3: 1 failure is tolerated"},
		{"follower down down", no, "no quorum: 1 of 3 voters serve, and 2 are needed"},
	} {
		members := strings.Fields(test.members)
		for i := range members {
			members[i] = strings.ReplaceAll(members[i], "_", " ")
		}
		v := surveyOf(t, true, members...).Judge()
		if v.Quorum != test.quorum || !strings.HasPrefix(v.Sentence, test.says) {
			t.Errorf("%s: %v %q, want %v %q", test.members, v.Quorum, v.Sentence, test.quorum, test.says)
		}
	}
	for proof, says := range map[bool]string{
		true:  "quorum 2 of 3: one more failure stops writes",
		false: "quorum in doubt: no leader answered, and zk2:2181 could not commit a session in time; 2 of 3 voters answered as serving",
	} {
		s := surveyOf(t, true, "silent", "follower", "follower")
		s.Proof, s.Prover = answer.Some(proof), "zk2:2181"
		if v := s.Judge(); v.Quorum.Or(false) != proof || v.Quorum.Known() != proof || v.Sentence != says {
			t.Errorf("with proof %v: %v %q", proof, v.Quorum, v.Sentence)
		}
	}
	few := surveyOf(t, true, "follower", "down", "follower") // only the first is asked
	few.Readings = few.Readings[:1]
	if v := few.Judge(); v.Quorum.Known() || v.Sentence != "quorum in doubt: 1 of 3 voters answered as serving, and 2 are needed" {
		t.Errorf("%v %q", v.Quorum, v.Sentence)
	}
	for synced, says := range map[int64]string{ // only the leader is asked
		2: "quorum 3 of 3, leader zk1:2181: 1 failure is tolerated",
		1: "quorum 2 of 3, leader zk1:2181: one more failure stops writes",
	} {
		alone := surveyOf(t, true, "leader", "follower", "follower")
		alone.Readings = alone.Readings[:1]
		alone.Readings[0].SyncedFollowers = answer.Some(synced)
		if v := alone.Judge(); v.Sentence != says || v.Tolerates != answer.Some(synced-1) || len(v.Problems) > 0 {
			t.Errorf("%d: %q, %v more may fail, %q", synced, v.Sentence, v.Tolerates, v.Problems)
		}
	}
	apart := surveyOf(t, true, "leader", "silent", "down") // as seen from here
	apart.Readings[0].SyncedFollowers = answer.Some[int64](2)
	if v := apart.Judge(); v.Quorum != yes || v.Tolerates != answer.Some[int64](0) || !strings.Contains(strings.Join(v.Problems, "\n"), "the leader counts 2 synced followers, of which 0 answered here") {
		t.Errorf("%+v", v)
	}
	one := surveyOf(t, false, "standalone")
	if v := one.Judge(); v.Quorum != yes || v.Tolerates != answer.Some[int64](0) || v.Voters != answer.Some[int64](1) {
		t.Errorf("%+v", v)
	}
}

func TestProblems(t *testing.T) {
	s := surveyOf(t, true, "leader@200000009", "follower@200000007", "down", "standalone@100000001")
	s.Readings[1].Version = "3.9.2-y"
	s.Readings[3].Stranger = true
	all := strings.Join(s.Judge().Problems, "\n")
	if strings.Contains(all, "epoch") {
		t.Errorf("a lag is taken for another ensemble's epoch:\n%s", all)
	}
	for _, want := range []string{"member 3 (zk3:2181) is down: connection refused", "different releases: 3.8.4, 3.9.2", "member 4 (zk4:2181) runs alone"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in\n%s", want, all)
		}
	}
	s = surveyOf(t, true, "leader@500000400", "follower@200000007", "follower@500000001")
	if got, want := s.Judge().Problems, []string{"member 2 (zk2:2181) has no transaction of the leader's epoch 5, which has 1024: it is far behind, or a member of another ensemble"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	s = surveyOf(t, true, "leader@300000001", "follower@200000007", "leader@900000001")
	s.Readings[2].Stranger, s.Readings[2].Version = true, "3.9.2-y"
	if got := strings.Join(s.Judge().Problems, "\n"); strings.Contains(got, "releases") || strings.Contains(got, "epoch") || strings.Count(got, "\n") != 0 {
		t.Errorf("%s", got)
	}
}

func TestClocks(t *testing.T) {
	s := surveyOf(t, true, "leader", "follower", "follower")
	for i, ahead := range []int64{-7200, 1500, 8000} {
		s.Readings[i].Clock = answer.Some(ahead)
	}
	s.noteClocks()
	if want := []string{"the clock of member 1 (zk1:2181) is 7s behind this machine's", "the clock of member 3 (zk3:2181) is 8s ahead of this machine's"}; !slices.Equal(s.Notes, want) {
		t.Errorf("%q", s.Notes)
	}
}

func TestLag(t *testing.T) {
	s := surveyOf(t, true, "leader@20000000a", "follower@20000000a", "follower@200000004", "follower@100000099", "observer@20000000b", "down")
	for i, want := range []answer.Opt[int64]{answer.Some[int64](0), answer.Some[int64](0), answer.Some[int64](6), answer.Some[int64](10), answer.Some[int64](0), {}} {
		if got := s.Readings[i].Lag; got != want {
			t.Errorf("member %d lags %v, want %v", i+1, got, want)
		}
	}
	if s := surveyOf(t, true, "follower@1", "follower@2"); s.Readings[0].Lag.Known() {
		t.Error("there is a lag without a leader")
	}
}

func TestHierarchicalQuorum(t *testing.T) {
	s := surveyOf(t, true, "leader", "follower", "follower", "follower", "follower", "down")
	text := "group.1=1:2:3\ngroup.2=4:5:6\n"
	for id := 1; id <= 6; id++ {
		text += fmt.Sprintf("server.%d=zk%d:2888:3888:participant;2181\nweight.%d=1\n", id, id, id)
	}
	v, err := zoocfg.ParseVerifier([]byte(text + "version=0"))
	if err != nil {
		t.Fatal(err)
	}
	s.Config.QuorumVerifier = v
	if got := s.Judge(); got.Quorum != answer.Some(true) || got.Tolerates != answer.Some[int64](0) {
		t.Errorf("%+v", got)
	}
	s.Readings[4].State, s.Readings[4].Error = Down, errors.New("gone")
	if got := s.Judge(); got.Quorum != answer.Some(false) {
		t.Errorf("%+v", got)
	}
}

func TestMembersOfAConfiguration(t *testing.T) {
	v, err := zoocfg.ParseVerifier([]byte("server.1=zk1:2888:3888:participant;0.0.0.0:2182\nserver.2=zk2|zk2b:2888:3888\n" +
		"server.3=zk3:2888:3888:observer;[::1]:2183\nversion=0"))
	if err == nil { // zk2 lacks ports
		t.Fatal(v)
	}
	v, err = zoocfg.ParseVerifier([]byte("server.1=zk1:2888:3888:participant;0.0.0.0:2182\nserver.2=zk2:2888:3888|zk2b:2888:3888\n" +
		"server.3=zk3:2888:3888:observer;[::1]:2183\nversion=0"))
	if err != nil {
		t.Fatal(err)
	}
	list := configured(&Config{QuorumVerifier: v}, 2181, true)
	want := []string{"zk1:2182", "zk2:2181", "[::1]:2183"}
	for i, m := range list {
		if m.Name() != want[i] || m.Guessed != (i == 1) {
			t.Errorf("%+v, want %s", m, want[i])
		}
	}
	if len(list[1].Addresses) != 2 {
		t.Errorf("member 2 has %v", list[1].Addresses)
	}
	for i, m := range configured(&Config{QuorumVerifier: v}, 2281, false) { // with TLS
		if want := []string{"zk1:2281", "zk2:2281", "zk3:2281"}; m.Name() != want[i] || !m.Guessed {
			t.Errorf("%+v, want %s", m, want[i])
		}
	}
	// Members on one host that cannot be told apart are those that were named, or unknown.
	v, err = zoocfg.ParseVerifier([]byte("server.1=127.0.0.1:2888:3888\nserver.2=127.0.0.1:2889:3889\nserver.3=127.0.0.1:2890:3890\nversion=0"))
	if err != nil {
		t.Fatal(err)
	}
	for seeds, unknown := range map[string]int{"127.0.0.1:1,127.0.0.1:2,127.0.0.1:3": 0, "127.0.0.1:7": 2} {
		p := &Prober{Client: client.Config{Servers: seeds}}
		members, err := p.Members()
		if err != nil {
			t.Fatal(err)
		}
		b := &survey{Survey: &Survey{}, p: p, ctx: t.Context(), seeds: members, all: members}
		found := b.newMembers(configured(&Config{QuorumVerifier: v}, 9, true))
		if seeds == "127.0.0.1:7" {
			if len(found) == 0 {
				t.Errorf("%s finds no members", seeds)
			}
			for i, m := range members {
				b.Readings = append(b.Readings, &Reading{Member: m})
				b.Readings[i].ID = answer.Some[int64](2)
			}
			found = b.newMembers(configured(&Config{QuorumVerifier: v}, 7, true))
		}
		if len(found) != unknown {
			t.Errorf("%s: %+v", seeds, found)
		}
		for _, m := range found {
			if len(m.Addresses) != 0 {
				t.Errorf("%+v has a guess that is another member's", m)
			}
		}
	}
}
