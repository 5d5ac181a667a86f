package zab

import (
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

func parseView(t testing.TB, text string) zoocfg.QuorumVerifier {
	t.Helper()
	view, err := zoocfg.ParseVerifier([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return view
}

func weighted(t testing.TB) zoocfg.QuorumVerifier {
	return parseView(t, "server.1=m1:1:2\nserver.2=m2:1:2\nserver.3=m3:1:2\nserver.4=m4:1:2:observer\n"+
		"group.1=1:2:3\nweight.1=1\nweight.2=1\nweight.3=0\nversion=5")
}

func TestVoteOrder(t *testing.T) {
	view := weighted(t)
	tests := []struct {
		name      string
		vote, old Vote
		want      bool
	}{
		{"larger epoch", Vote{ID: 1, Zxid: 1, PeerEpoch: 2}, Vote{ID: 2, Zxid: 9, PeerEpoch: 1}, true},
		{"smaller epoch", Vote{ID: 2, Zxid: 9, PeerEpoch: 1}, Vote{ID: 1, Zxid: 1, PeerEpoch: 2}, false},
		{"larger zxid", Vote{ID: 1, Zxid: 9}, Vote{ID: 2, Zxid: 8}, true},
		{"smaller zxid", Vote{ID: 2, Zxid: 8}, Vote{ID: 1, Zxid: 9}, false},
		{"larger id", Vote{ID: 2}, Vote{ID: 1}, true},
		{"the same", Vote{ID: 2}, Vote{ID: 2}, false},
		{"the round does not count", Vote{ID: 1, ElectionEpoch: 9}, Vote{ID: 2}, false},
		{"without weight", Vote{ID: 3, Zxid: 9, PeerEpoch: 9}, Vote{ID: 1}, false},
		{"against one without a vote", Vote{ID: 1}, Vote{ID: math.MinInt64, Zxid: math.MinInt64, PeerEpoch: math.MinInt64}, true},
	}
	for _, test := range tests {
		if got := test.vote.beats(test.old, view); got != test.want {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
	}
}

func TestBallotsAgree(t *testing.T) {
	vote := Vote{ID: 2, Zxid: 5, ElectionEpoch: 7, PeerEpoch: 1}
	otherZxid, otherRound, otherEpoch, otherID := vote, vote, vote, vote
	otherZxid.Zxid++
	otherRound.ElectionEpoch++
	otherEpoch.PeerEpoch++
	otherID.ID++
	tests := []struct {
		name string
		a, b ballot
		want bool
	}{
		{"looking, the same", ballot{vote, Looking, 2}, ballot{vote, Looking, 0}, true},
		{"looking, another zxid", ballot{vote, Looking, 2}, ballot{otherZxid, Looking, 2}, false},
		{"looking, another round", ballot{vote, Looking, 2}, ballot{otherRound, Looking, 2}, false},
		{"one looks, another zxid", ballot{vote, Looking, 2}, ballot{otherZxid, Following, 2}, false},
		{"following, another zxid", ballot{vote, Leading, 2}, ballot{otherZxid, Following, 2}, true},
		{"following, another round", ballot{vote, Leading, 2}, ballot{otherRound, Following, 2}, true},
		{"following, another epoch", ballot{vote, Leading, 2}, ballot{otherEpoch, Following, 2}, false},
		{"an old format, another epoch", ballot{vote, Leading, 2}, ballot{otherEpoch, Following, 0}, true},
		{"an old format, another leader", ballot{vote, Leading, 2}, ballot{otherID, Following, 0}, false},
	}
	for _, test := range tests {
		if test.a.agrees(test.b) != test.want || test.b.agrees(test.a) != test.want {
			t.Errorf("%s: not %v", test.name, test.want)
		}
	}
}

func TestDecided(t *testing.T) {
	three, five, weights := inMemory(t, 3, 1), inMemory(t, 5, 0), weighted(t)
	tests := []struct {
		name   string
		views  []View
		ids    zoocfg.IDs
		quorum bool
	}{
		{"nobody", []View{three}, zoocfg.IDs{}, false},
		{"a minority", []View{three}, zoocfg.NewIDs(1), false},
		{"an observer does not count", []View{three}, zoocfg.NewIDs(1, 4), false},
		{"a majority", []View{three}, zoocfg.NewIDs(1, 3), true},
		{"all", []View{three}, zoocfg.NewIDs(1, 2, 3), true},
		{"of one view alone", []View{three, five}, zoocfg.NewIDs(1, 2), false},
		{"of both views", []View{three, five}, zoocfg.NewIDs(1, 2, 5), true},
		{"all of the smaller view", []View{three, five}, zoocfg.NewIDs(1, 2, 3), true},
		{"half of the weight", []View{weights}, zoocfg.NewIDs(1, 3), false},
		{"the weight", []View{weights}, zoocfg.NewIDs(1, 2), true},
	}
	for _, test := range tests {
		if got := decided(test.views, test.ids); got != test.quorum {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestLeaderVouches(t *testing.T) {
	b := func(leader, round int64, state ServerState) ballot {
		return ballot{Vote{ID: leader, ElectionEpoch: round}, state, 2}
	}
	tests := []struct {
		name  string
		votes map[int64]ballot
		b     ballot
		want  bool
	}{
		{"it leads", map[int64]ballot{3: b(3, 4, Leading)}, b(3, 4, Following), true},
		{"it has said nothing", map[int64]ballot{2: b(3, 4, Following)}, b(3, 4, Following), false},
		{"it follows", map[int64]ballot{3: b(3, 4, Following)}, b(3, 4, Following), false},
		{"this server, in this round", nil, b(1, 7, Following), true},
		{"this server, in another round", nil, b(1, 6, Following), false},
	}
	for _, test := range tests {
		if got := leaderVouches(test.votes, 1, 7, test.b); got != test.want {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
	}
}

// The bytes are FastLeaderElection.buildMsg's, field by field.
const (
	wireHead   = "00000002" + "0000000000000003" + "0000000200000007" + "0000000000000009" // state, leader, zxid, round
	wireFormat = wireHead + "0000000000000004" + "00000002"                                // epoch, version
)

func TestNotificationOnTheWire(t *testing.T) {
	vote := Vote{ID: 3, Zxid: 0x200000007, ElectionEpoch: 9, PeerEpoch: 4}
	old := vote
	old.PeerEpoch = 2 // that of the zxid
	tests := []struct {
		name, wire string
		want       *notification
		err        string
	}{
		{"format 2", wireFormat + "00000009" + hex.EncodeToString([]byte("version=0")),
			&notification{ballot{vote, Leading, 2}, 1, []byte("version=0")}, ""},
		{"an empty configuration", wireFormat + "00000000", &notification{ballot{vote, Leading, 2}, 1, []byte{}}, ""},
		{"more behind it", wireFormat + "00000000ff", &notification{ballot{vote, Leading, 2}, 1, []byte{}}, ""},
		{"format 1", wireHead + "0000000000000004" + "00000001", &notification{ballot{vote, Leading, 0}, 1, nil}, ""},
		{"without version", wireHead + "0000000000000004", &notification{ballot{vote, Leading, 0}, 1, nil}, ""},
		{"without epoch", wireHead, &notification{ballot{old, Leading, 0}, 1, nil}, ""},
		{"nothing", "", nil, "short response from server 1: 0 bytes"},
		{"too short", wireHead[:54], nil, "short response from server 1: 27 bytes"},
		{"a cut epoch", wireHead + "00000000", nil, "read a notification of 32 bytes"},
		{"a cut configuration", wireFormat + "0000000900", nil, "read a notification of 45 bytes"},
		{"a huge configuration", wireFormat + "7fffffff", nil, "read a notification of 44 bytes"},
		{"a negative configuration", wireFormat + "ffffffff", nil, "lacks a configuration"},
		{"an unknown state", "00000004" + wireHead[8:], nil, "state 4 is not 0 to 3"},
		{"a negative state", "ffffffff" + wireHead[8:], nil, "state -1 is not 0 to 3"},
	}
	for _, test := range tests {
		wire, err := hex.DecodeString(test.wire)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeNotification(1, wire)
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v; want %q", test.name, err, test.err)
			}
		case err != nil || !reflect.DeepEqual(got, test.want):
			t.Errorf("%s: %+v, %v; want %+v", test.name, got, err, test.want)
		case test.want.format == 2 && len(wire) == 44+len(got.config):
			if again := hex.EncodeToString(got.encode()); again != test.wire {
				t.Errorf("%s: encoded as %s; want %s", test.name, again, test.wire)
			}
		}
	}
}

func FuzzNotification(f *testing.F) {
	for _, wire := range []string{wireHead, wireFormat + "00000000", wireHead + "0000000000000004", wireFormat + "7fffffff"} {
		b, _ := hex.DecodeString(wire)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := decodeNotification(1, b)
		if err != nil || n.format != notificationV2 {
			return
		}
		again, err := decodeNotification(1, n.encode())
		if err != nil || !reflect.DeepEqual(n, again) {
			t.Errorf("%+v is encoded as %+v, %v", n, again, err)
		}
	})
}
