package zab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// apacheEnsemble is three servers on 127.0.0.1, some of them Apache ZooKeeper's.
type apacheEnsemble struct {
	t      *testing.T
	in     *apache.Installation
	lines  map[string]string // of zoo.cfg
	quorum map[int64]string  // addresses of the leader's ports
	view   zoocfg.QuorumVerifier
}

func newApacheEnsemble(t *testing.T) *apacheEnsemble {
	a := &apacheEnsemble{t: t, in: apachetest.Require(t), quorum: map[int64]string{},
		lines: map[string]string{"initLimit": "60", "syncLimit": "4"}}
	var text strings.Builder
	for id := int64(1); id <= 3; id++ {
		quorum, election := freeTestPort(t), freeTestPort(t)
		a.quorum[id] = fmt.Sprintf("127.0.0.1:%d", quorum)
		a.lines[fmt.Sprintf("server.%d", id)] = fmt.Sprintf("127.0.0.1:%d:%d", quorum, election)
		fmt.Fprintf(&text, "server.%d=127.0.0.1:%d:%d:participant\n", id, quorum, election)
	}
	view, err := zoocfg.ParseVerifier([]byte(text.String() + "version=0"))
	if err != nil {
		t.Fatal(err)
	}
	a.view = view
	return a
}

// freeTestPort returns a port below those of outgoing connections, as in package apache.
func freeTestPort(t *testing.T) int {
	for range 100 {
		port := 12000 + rand.IntN(8000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

type apacheStart struct {
	server *apache.Server
	err    error
}

// start starts a server, which serves once it has a quorum, and is killed when ctx ends.
func (a *apacheEnsemble) start(ctx context.Context, id int64) <-chan apacheStart {
	dir := a.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "myid"), []byte(fmt.Sprint(id)), 0o600); err != nil {
		a.t.Fatal(err)
	}
	started := make(chan apacheStart, 1)
	go func() {
		s, err := a.in.Start(ctx, apache.Options{Dir: dir, TickTime: 500 * time.Millisecond, Properties: a.lines})
		started <- apacheStart{s, err}
	}()
	return started
}

func (a *apacheEnsemble) election(id int64) *Election {
	return newElection(a.t, electionOptions(id, TCP{}, a.view, testLog{a.t, fmt.Sprintf("ours, %d", id)}))
}

// TestFollowApache elects beside two Apache servers: from the first moment, as a latecomer
// to their ensemble, and when their leader dies.
func TestFollowApache(t *testing.T) {
	a := newApacheEnsemble(t)
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	e := a.election(1)
	defer e.Close()
	two, three := a.start(ctx, 2), a.start(ctx, 3)
	look := func(e *Election, leader int64) {
		t.Helper()
		vote, state, err := e.Look(ctx, Vote{})
		if err != nil || vote.ID != leader || state != Following {
			t.Fatalf("Look: %+v, %v, %v; want to follow %d", vote, state, err, leader)
		}
	}

	// The last of the three may find that the others have already elected 2.
	vote, state, err := e.Look(ctx, Vote{})
	if err != nil || state != Following {
		t.Fatalf("Look: %+v, %v, %v; want to follow", vote, state, err)
	}
	s2, s3 := <-two, <-three
	for _, s := range []apacheStart{s2, s3} {
		if s.err != nil {
			t.Fatal(s.err)
		}
		defer s.server.Stop()
	}
	leader, other, otherID := s3.server, s2.server, int64(2)
	if vote.ID == 2 {
		leader, other, otherID = s2.server, s3.server, 3
	}
	if text, err := leader.FourLetter(ctx, "srvr"); err != nil || !strings.Contains(text, "Mode: leader") {
		t.Errorf("srvr of %d: %q, %v; want the leader we elected", vote.ID, text, err)
	}
	if text, err := other.FourLetter(ctx, "srvr"); err != nil || !strings.Contains(text, "Mode: follower") {
		t.Errorf("srvr of %d: %q, %v; want a follower", otherID, text, err)
	}

	look(e, vote.ID) // again, over the previous election's connections
	e.Close()
	late := a.election(1)
	defer late.Close()
	look(late, vote.ID)
	if got := late.Vote().PeerEpoch; got != 1 {
		t.Errorf("the established epoch is %d; want 1", got)
	}

	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	for {
		vote, state, err := late.Look(ctx, Vote{})
		if err != nil {
			t.Fatal(err)
		}
		if vote.ID == otherID && state == Following {
			break
		}
		// The other has not noticed yet.
	}
}

// TestApacheFollows wins an election against two Apache servers, which then connect to our quorum
// port.
func TestApacheFollows(t *testing.T) {
	tests := []struct {
		name string
		id   int64
		own  Vote
	}{
		{"by the id", 3, Vote{}},
		{"by the zxid", 1, Vote{Zxid: 7}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := newApacheEnsemble(t)
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			defer cancel()
			l, err := net.Listen("tcp", a.quorum[test.id])
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			e := a.election(test.id)
			defer e.Close()
			var others []<-chan apacheStart
			want := map[int64]bool{}
			startCtx, stop := context.WithCancel(ctx)
			for id := int64(1); id <= 3; id++ {
				if id != test.id {
					others = append(others, a.start(startCtx, id))
					want[id] = true
				}
			}
			defer func() {
				stop()
				for _, other := range others {
					if s := <-other; s.err == nil {
						t.Error("a server serves without a leader")
						_ = s.server.Stop()
					}
				}
			}()
			vote, state, err := e.Look(ctx, test.own)
			if err != nil || vote.ID != test.id || state != Leading {
				t.Fatalf("Look: %+v, %v, %v; want to lead", vote, state, err)
			}
			defer context.AfterFunc(ctx, func() { l.Close() })()
			for len(want) > 0 {
				conn, err := l.Accept()
				if err != nil {
					t.Fatalf("waiting for followers, %v are missing: %v", want, err)
				}
				defer conn.Close() // only once both are connected, or they would elect another leader
				delete(want, readFollowerInfo(t, conn))
			}
		})
	}
}

// readFollowerInfo returns the id in a learner's first packet.
func readFollowerInfo(t *testing.T, conn net.Conn) int64 {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	qp, err := newPacketReader(conn, 0).read()
	if err != nil || qp.Type != proto.PacketFollowerInfo {
		t.Fatalf("a follower's first packet: %+v, %v; want FOLLOWERINFO", qp, err)
	}
	var info proto.LearnerInfo
	if err := jute.Unmarshal(qp.Data, &info); err != nil {
		t.Fatal(err)
	}
	return info.ServerID
}
