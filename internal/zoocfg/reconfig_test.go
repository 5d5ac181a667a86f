package zoocfg

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
)

func TestNextVerifier(t *testing.T) {
	base := "server.1=10.0.0.1:1:2:participant;10.0.0.1:3\nserver.2=10.0.0.2:1:2:participant;10.0.0.2:3\nserver.3=10.0.0.3:1:2:participant;10.0.0.3:3\n"
	groups := base + "group.1=1:2:3\n"
	for _, tt := range []struct {
		name, base string
		r          proto.ReconfigRequest
		opt        ReconfigOptions
		want       string // the text with version 5, or of the error
		code       proto.Error
	}{
		{name: "join", r: proto.ReconfigRequest{JoiningServers: "server.4=10.0.0.4:1:2:observer;3", CurConfigID: -1},
			want: base + "server.4=10.0.0.4:1:2:observer;0.0.0.0:3\nversion=5"},
		{name: "leave", r: proto.ReconfigRequest{LeavingServers: "3, 9", CurConfigID: 2},
			want: strings.Join(strings.SplitAfter(base, "\n")[:2], "") + "version=5"},
		{name: "change a role", r: proto.ReconfigRequest{JoiningServers: "2=10.0.0.2:1:2:observer;10.0.0.2:3", CurConfigID: -1},
			want: strings.Replace(base, "2:participant;10.0.0.2", "2:observer;10.0.0.2", 1) + "version=5"},
		{name: "all anew", r: proto.ReconfigRequest{NewMembers: "server.7=a:1:2;3,server.8=b:1:2;3", CurConfigID: -1},
			want: "server.7=a:1:2:participant;0.0.0.0:3\nserver.8=b:1:2:participant;0.0.0.0:3\nversion=5"},
		{name: "all anew with groups", r: proto.ReconfigRequest{NewMembers: strings.ReplaceAll(groups, "\n", ","), CurConfigID: -1},
			want: groups + "weight.1=1\nweight.2=1\nweight.3=1\nversion=5"},
		{name: "another version", r: proto.ReconfigRequest{LeavingServers: "3", CurConfigID: 7}, code: proto.ErrBadVersion,
			want: "Reconfiguration from version 7 failed -- last seen version is 2"},
		{name: "too few stay", r: proto.ReconfigRequest{LeavingServers: "2,3", CurConfigID: -1}, opt: ReconfigOptions{StandaloneEnabled: true}, code: proto.ErrBadArguments,
			want: "Reconfig failed - new configuration must include at least 2 followers"},
		{name: "nobody stays", r: proto.ReconfigRequest{LeavingServers: "1,2,3", CurConfigID: -1}, code: proto.ErrBadArguments,
			want: "Reconfig failed - new configuration must include at least 1 follower"},
		{name: "leaving is no number", r: proto.ReconfigRequest{LeavingServers: "three", CurConfigID: -1}, code: proto.ErrMarshallingError, want: "is not a number"},
		{name: "no client port", r: proto.ReconfigRequest{JoiningServers: "server.4=d:1:2", CurConfigID: -1}, code: proto.ErrBadArguments, want: "each server should have 3 ports specified"},
		{name: "no value", r: proto.ReconfigRequest{JoiningServers: "server.4", CurConfigID: -1}, code: proto.ErrBadArguments, want: "Wrong format of server string"},
		{name: "bad value", r: proto.ReconfigRequest{JoiningServers: "server.4=d:1", CurConfigID: -1}, code: proto.ErrBadArguments, want: "Reconfiguration failed"},
		{name: "address in use", r: proto.ReconfigRequest{JoiningServers: "server.4=10.0.0.2:7:2;9", CurConfigID: -1}, code: proto.ErrBadArguments,
			want: "10.0.0.2:2 of server.4 conflicts 10.0.0.2:2 of server.2"},
		{name: "several addresses", r: proto.ReconfigRequest{JoiningServers: "server.4=d:1:2|e:1:2;9", CurConfigID: -1}, code: proto.ErrBadArguments, want: "Multiple address feature is disabled"},
		{name: "change to groups", base: groups, r: proto.ReconfigRequest{LeavingServers: "3", CurConfigID: -1}, code: proto.ErrBadArguments, want: "non-majority quorum system"},
		{name: "something else among the new", r: proto.ReconfigRequest{NewMembers: "tickTime=1", CurConfigID: -1}, code: proto.ErrBadArguments, want: "Unrecognised parameter: tickTime"},
		{name: "observers alone", r: proto.ReconfigRequest{NewMembers: "server.7=a:1:2:observer;3", CurConfigID: -1}, opt: ReconfigOptions{StandaloneEnabled: true}, code: proto.ErrMarshallingError, want: "Observers w/o participants"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.base == "" {
				tt.base = base
			}
			last, err := ParseVerifier([]byte(tt.base + "version=2"))
			if err != nil {
				t.Fatal(err)
			}
			before := last.String()
			next, err := NextVerifier(last, &tt.r, 5, tt.opt)
			if last.String() != before {
				t.Errorf("the last configuration changed to\n%s", last)
			}
			if tt.code != proto.OK {
				var e *ReconfigError
				if !errors.As(err, &e) || !errors.Is(err, tt.code) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, %v; want %v: %s", next, err, tt.code, tt.want)
				}
				return
			}
			if err != nil || next.String() != tt.want {
				t.Errorf("got %v\n%v\nwant\n%s", err, next, tt.want)
			}
		})
	}
}

func TestVerifierIsAValue(t *testing.T) {
	v, err := ParseVerifier([]byte(three + "\nversion=1"))
	if err != nil {
		t.Fatal(err)
	}
	text := v.String()
	other := v.WithVersion(2)
	m, _ := other.Member(2)
	m.Client = HostPort{"10.0.0.1", 1}
	other = other.WithMember(m)
	if v.String() != text || other.Version() != 2 || other.String() == text || other.Equal(v) {
		t.Errorf("%s\n%s", v, other)
	}
	if !v.Equal(v.WithVersion(9)) || !v.Equal(NewMajority(1)) || v.Equal(NewMajority(2)) {
		t.Error("configurations are equal by version or by members")
	}
}

func FuzzVerifier(f *testing.F) {
	for _, tt := range verifierTexts {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ParseVerifier(text)
		if err != nil {
			return
		}
		v.ContainsQuorum(NewIDs(1, 2, 3))
		all := IDs{}
		for _, m := range v.Members() {
			all.Add(m.ID)
			if len(m.Addrs) > 0 && strings.ContainsAny(m.String(), "[]%\\\n\r\t\f !#") {
				return // Java prints hosts that it could not read again
			}
		}
		again, err := ParseVerifier(v.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, v)
		}
		if again.Version() != v.Version() || len(again.Members()) != len(v.Members()) || again.ContainsQuorum(all) != v.ContainsQuorum(all) {
			t.Errorf("%s\n%s", v, again)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range propertyTexts {
		f.Add([]byte(text))
	}
	for _, tt := range loadTexts {
		f.Add([]byte(tt.files["zoo.cfg"]))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		c, warnings, err := Parse("zoo.cfg", append([]byte("dataDir="+dir+"\n"), text...), nil)
		for _, w := range warnings {
			_ = w.String()
		}
		if err == nil && (c.Verifier == nil || c.DataDir == "" || c.TickTime <= 0 || c.MinSessionTimeout > c.MaxSessionTimeout) {
			t.Errorf("%+v", c)
		}
		// The logical lines cover the whole text, so an editor loses nothing.
		var kept []byte
		if scanProperties(text, false, func(l logicalLine) { kept = append(kept, text[l.start:l.end]...) }) == nil && string(kept) != string(text) {
			t.Errorf("%q is kept as %q", text, kept)
		}
	})
}

// The text of a configuration comes from the network; parsing a megabyte must not take long.
func TestManyServers(t *testing.T) {
	var b strings.Builder
	for id := range 40000 {
		fmt.Fprintf(&b, "server.%d=a:1:2\n", id)
	}
	v, err := ParseVerifier([]byte(b.String()))
	if err != nil || len(v.Voting()) != 40000 {
		t.Error(err)
	}
}

// Any client with a session can request a reconfiguration, and permissions are checked only
// afterwards.
func TestReconfigGrowsLinearly(t *testing.T) {
	last := NewMajority(1, Member{ID: 1, Role: Participant, Addrs: []QuorumAddr{{Host: "10.0.0.1", QuorumPort: 1, ElectionPort: 2}}})
	least := func(n int) time.Duration {
		joining := make([]string, n)
		for i := range joining {
			joining[i] = fmt.Sprintf("server.%d=10.1.%d.%d:1:2:observer;3", i+2, i/256, i%256)
		}
		r := &proto.ReconfigRequest{JoiningServers: strings.Join(joining, ","), CurConfigID: -1}
		best := time.Hour
		for range 3 {
			began := time.Now()
			if _, err := NextVerifier(last, r, 5, ReconfigOptions{}); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	var one, four time.Duration
	for range 5 {
		if one, four = least(1000), least(4000); four < 9*one {
			return
		}
	}
	t.Errorf("%v for 1000 servers that join, %v for 4000", one, four)
}
