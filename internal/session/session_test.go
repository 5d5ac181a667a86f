package session

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }

func TestExpiredSessionSaysSo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := New(func() (client.Config, error) { return client.Config{Servers: apachetest.Shared(t).Addr()}, nil })
	defer s.Close()
	conn, err := s.Conn()
	if err == nil {
		err = conn.WaitConnected(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.event(conn, client.Event{Type: proto.EventNone, State: proto.StateExpired, Zxid: -1})
	if _, err := s.Conn(); err == nil || !strings.Contains(err.Error(), "ephemeral znodes and watches are gone; `connect` opens a new one") {
		t.Errorf("after the expiry: %v", err)
	}
	if state := s.State(); state != client.Expired {
		t.Errorf("state %s", state)
	}
	if err := s.Connect(ctx, ""); err != nil {
		t.Fatal(err)
	}
	if conn, err := s.Conn(); err != nil {
		t.Error(err)
	} else if _, _, err := conn.Children(ctx, "/", false); err != nil {
		t.Errorf("after Connect: %v", err)
	}
}

func TestConfigurationIsMadeWhenUsed(t *testing.T) {
	made := 0
	s := New(func() (client.Config, error) { made++; return client.Config{Servers: "h:1"}, nil })
	if made != 0 {
		t.Error("the configuration is made before it is needed")
	}
	if cfg, err := s.Config(); err != nil || cfg.Servers != "h:1" || s.Servers() != "h:1" || made != 1 {
		t.Errorf("%+v, %v; made %d times", cfg, err, made)
	}
	wrong := errors.New("no profile")
	s = New(func() (client.Config, error) { made++; return client.Config{}, wrong })
	for range 2 {
		if _, err := s.Conn(); !errors.Is(err, wrong) {
			t.Errorf("Conn: %v", err)
		}
		if err := s.Connect(t.Context(), ""); !errors.Is(err, wrong) {
			t.Errorf("Connect: %v", err)
		}
	}
	if made != 2 {
		t.Errorf("made %d times", made)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
