package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/port/porttest"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// counting is a leader whose counters rise by step with each srvr, and that counts the words that it was asked for.
type counting struct {
	mu       sync.Mutex
	received int
	zxid     int
	up       int
	step     int
	asked    map[string]int
}

func (c *counting) serve(conn net.Conn) {
	word := make([]byte, 4)
	if _, err := io.ReadFull(conn, word); err == nil {
		c.answer(conn, string(word))
	}
}

func (c *counting) answer(conn net.Conn, word string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[word]++
	c.received++
	c.up++
	switch word {
	case "srvr":
		c.received += c.step
		c.zxid += c.step
		fmt.Fprintf(conn, "Zookeeper version: 3.8.0-x\nReceived: %d\nZxid: 0x%x\nMode: leader\n", c.received, 1<<32+c.zxid)
	case "mntr":
		fmt.Fprintf(conn, "zk_uptime\t%d\nzk_watch_count\t7\n", c.up)
	case "conf":
		_, _ = io.WriteString(conn, "serverId=1\n")
	default:
		_, _ = io.WriteString(conn, fourletter.NotWhitelisted(word)+"\n")
	}
}

// watch runs a Watch until seen says that it has seen enough.
func watch(t *testing.T, p *Prober, seen func(*Survey, int) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	enough := false
	w := &Watch{Prober: p, Every: 50 * time.Millisecond, Patience: time.Second, Seen: func(s *Survey, round int) {
		if seen(s, round) {
			enough = true
			cancel()
		}
	}}
	if _ = w.Run(ctx); !enough {
		t.Fatal("what was waited for was not seen")
	}
}

// Rates are differences: a counter that fell is a restart, and what zkctl itself asks is not counted.
func TestRates(t *testing.T) {
	c := &counting{asked: map[string]int{}}
	addr := porttest.Serve(t, c.serve)
	idle, rose, fell := false, false, false
	watch(t, prober(addr), func(s *Survey, round int) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		r := s.Readings[0]
		for _, rate := range []float64{r.Requests.Or(0), s.Writes.Or(0), s.Reads.Or(0)} {
			if rate < 0 {
				t.Errorf("round %d: %v requests, %v writes, %v reads", round, r.Requests, s.Writes, s.Reads)
			}
		}
		switch n, known := r.Requests.Get(); {
		case round < 2:
		case !idle:
			if idle = true; !known || n != 0 {
				t.Errorf("an idle member has %v requests per second", r.Requests)
			}
			c.step = 1000
		case !rose:
			if rose = n > 1000; rose { // at once
				c.received, c.up = 0, 0
				if s.Writes.Or(0) < 1000 {
					t.Errorf("%v writes", s.Writes)
				}
			}
		case r.Reset:
			fell = true
			if known || !r.Reset {
				t.Errorf("a restart is %v requests per second", r.Requests)
			}
		case fell:
			return known
		}
		return false
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked["conf"] > 1 || c.asked["mntr"] >= c.asked["srvr"] {
		t.Errorf("what does not change was asked again: %v", c.asked)
	}
}

// A word that waits on its way to a member is zkctl's own whenever the member counts it.
func TestWordsOnTheirWay(t *testing.T) {
	c := &counting{asked: map[string]int{}}
	var late atomic.Int32 // how many words wait
	release := make(chan struct{})
	addr := porttest.Serve(t, func(conn net.Conn) {
		word := make([]byte, 4)
		if _, err := io.ReadFull(conn, word); err != nil {
			return
		}
		if string(word) == "cons" {
			late.Add(1)
			<-release
		}
		c.answer(conn, string(word))
	})
	p := prober(addr)
	members, err := p.Members()
	if err != nil {
		t.Fatal(err)
	}
	last, answered := 0, make(chan error, 1)
	watch(t, p, func(s *Survey, round int) bool {
		if n := s.Readings[0].Requests.Or(0); n != 0 {
			t.Errorf("round %d: %v requests per second", round, n)
		}
		switch {
		case round == 3:
			go func() {
				_, err := p.RawWord(t.Context(), &members[0], "cons")
				answered <- err
			}()
		case last == 0 && round > 5 && late.Load() == 1:
			close(release)
			last = round + 5
		}
		return last != 0 && round > last
	})
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// A watch stays with its ensemble, even if a member of another one has a newer configuration.
func TestWatchStaysWithItsEnsemble(t *testing.T) {
	p := prober("127.0.0.1:1", "127.0.0.1:2")
	members, err := p.Members()
	if err != nil {
		t.Fatal(err)
	}
	b := &watching{Watch: &Watch{Prober: p}, survey: &survey{Survey: &Survey{}, p: p, ctx: t.Context(), seeds: members, all: members}}
	for i, text := range []string{"server.1=a:2888:3888\nversion=1", "server.1=b:2888:3888\nversion=2"} {
		v, err := zoocfg.ParseVerifier([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		b.take(&Reading{Member: members[i], Config: &Config{QuorumVerifier: v, From: members[i].Name()}})
	}
	if got, want := b.Config.From, members[0].Name(); got != want {
		t.Errorf("the configuration is that of %s, want %s", got, want)
	}
}

// A silent member delays no other, and is silent after its time.
func TestWatchBesideSilence(t *testing.T) {
	c := &counting{asked: map[string]int{}}
	hold := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	p := prober(porttest.Serve(t, c.serve), porttest.Serve(t, hold))
	start := time.Now()
	first := time.Duration(0)
	watch(t, p, func(s *Survey, round int) bool {
		if first == 0 {
			first = time.Since(start)
			states := []string{}
			for _, r := range s.Readings {
				states = append(states, string(r.State))
			}
			if got := strings.Join(states, ","); got != "serving,waiting" || round != 0 {
				t.Errorf("first %s in round %d", got, round)
			}
		}
		for _, r := range s.Readings {
			if r.State == Silent {
				if round < 5 {
					t.Errorf("the other member was asked %d times meanwhile", round)
				}
				return true
			}
		}
		return false
	})
	if first > 700*time.Millisecond { // far less than its patience
		t.Errorf("the first survey after %v", first)
	}
}
