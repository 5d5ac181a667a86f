package shell

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
)

// notices is a reader of lines that keeps what is printed above the line.
type notices struct {
	lineReader
	list []string
}

func (n *notices) Notice(text string)              { n.list = append(n.list, text) }
func (n *notices) input(context.Context) io.Reader { return strings.NewReader("") }

// The reason for a missing connection is reported once: by the command that fails, or above the
// prompt.
func TestTroubleIsSaidOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // connections are refused from now on
	for _, failed := range []bool{false, true} {
		session := sessionWith(client.Config{Servers: l.Addr().String()})
		defer session.Close()
		var stderr bytes.Buffer
		opts := Options{Session: session, Streams: &ui.Streams{Out: io.Discard, Err: &stderr}}
		lines := &notices{}
		s := &shell{opts: opts, run: newRunner(opts, &history{}), lines: lines, ctx: t.Context()}
		conn, err := session.Conn()
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.WaitConnected(t.Context()); err == nil {
			t.Fatal("it connects")
		}
		if failed {
			s.do("ls /")
		}
		var trouble trouble
		for range 4 {
			s.lookForTrouble(&trouble)
		}
		said := stderr.String() + strings.Join(lines.list, "\n")
		if n := strings.Count(said, "connection refused"); n != 1 {
			t.Errorf("after a command: %t; the reason is said %d times:\n%s", failed, n, said)
		}
	}
}
