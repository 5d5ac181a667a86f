package session

import (
	"context"
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
	s := New(client.Config{Servers: apachetest.Shared(t).Addr()})
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
