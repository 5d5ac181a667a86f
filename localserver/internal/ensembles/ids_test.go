package ensembles

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver"
)

// 0 is a normal id: such a member takes its place, its session ids contain it, and it leads if its
// history is the longest.
func TestMemberZero(t *testing.T) {
	t.Parallel()
	for name, java := range map[string][]int64{"embedded": nil, "with an Apache's": {2}, "Apache's zero": {0}} {
		t.Run(name, func(t *testing.T) {
			list := seatsOf(t, []int64{0, 1, 2}, java...)
			config := ""
			for _, s := range list {
				config += s.line(zoocfg.Participant, false)
			}
			for _, s := range list {
				s.configure(config, 0)
				s.start()
			}
			work(t, list[0], list[1], "/all")
			if id := session(list[0]); id>>56 != 0 {
				t.Errorf("server 0 gave the session 0x%x", id)
			}
			list[1].end()
			work(t, list[2], list[0], "/ahead") // of 1
			list[2].end()
			list[1].start()
			work(t, list[0], list[1], "/behind")
			list[0].await("it leads", func() bool { return list[0].mode() == "leader" })
		})
	}
}

// With extended types, an id above 254 turns ephemeral znodes into TTL znodes.
func TestHighestID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id       int64
		extended bool
		say      string
	}{
		{254, true, ""},
		{255, false, ""},
		{255, true, "extendedTypesEnabled is true but Server ID is too large. Cannot be larger than 254"},
		{511, true, "extendedTypesEnabled is true but Server ID is too large. Cannot be larger than 254"},
	} {
		t.Run(fmt.Sprintf("%d, %t", c.id, c.extended), func(t *testing.T) {
			s := seatsOf(t, []int64{c.id})[0]
			s.configure(s.line(zoocfg.Participant, false)+fmt.Sprintf("standaloneEnabled=false\nextendedTypesEnabled=%t\n", c.extended), 0)
			if c.say != "" {
				err := localserver.Serve(t.Context(), localserver.ServeOptions{Config: s.dir + "/zoo.cfg", Log: &s.log})
				if err == nil || !strings.Contains(err.Error(), c.say) {
					t.Errorf("%v, without %q", err, c.say)
				}
				return
			}
			s.start()
			work(t, s, s, "/a")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			holder := s.open()
			if _, _, err := holder.Create(ctx, "/ephemeral", nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
				t.Fatal(err)
			}
			if err := holder.Close(); err != nil {
				t.Fatal(err)
			}
			if stat, err := s.open().Exists(ctx, "/ephemeral", false); err == nil {
				t.Errorf("the ephemeral znode stays: %+v", stat)
			}
		})
	}
}

// A standalone server's id is in no session id: Apache's contain 1 (ZooKeeperServer).
func TestAloneWithAnID(t *testing.T) {
	t.Parallel()
	for _, java := range []bool{false, true} {
		t.Run(fmt.Sprintf("java %t", java), func(t *testing.T) {
			s := seatsOf(t, []int64{255}, map[bool][]int64{true: {255}}[java]...)[0]
			if java {
				apachetest.Require(t)
			}
			s.configure(fmt.Sprintf("clientPort=%d\nextendedTypesEnabled=true\n", s.ports[2]), 0)
			s.start()
			work(t, s, s, "/a")
			if id := session(s); id>>56 != 1 {
				t.Errorf("it gave the session 0x%x", id)
			}
		})
	}
}

// session returns the id of a new session on a server.
func session(s *seat) uint64 {
	s.t.Helper()
	c := s.open()
	if err := c.Sync(s.t.Context(), "/"); err != nil {
		s.t.Fatal(err)
	}
	return uint64(c.SessionID())
}
