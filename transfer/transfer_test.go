package transfer

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

// bench runs verbs on a server.
type bench struct {
	t        *testing.T
	conn     *client.Conn
	env      *command.Env
	out, err bytes.Buffer
}

func newBench(t *testing.T, servers string) *bench {
	t.Helper()
	b := &bench{t: t}
	s := session.New(func() (client.Config, error) { return client.Config{Servers: servers}, nil })
	t.Cleanup(func() { _ = s.Close() })
	var err error
	if b.conn, err = s.Conn(); err != nil {
		t.Fatal(err)
	}
	b.env = &command.Env{Verbs: Verbs, Session: s, Dir: "/", Output: ui.Text,
		Streams: &ui.Streams{In: strings.NewReader(""), Out: &b.out, Err: &b.err, Width: 80}}
	return b
}

// run runs a line and returns what it printed, and the exit code.
func (b *bench) run(words ...string) (out, errs string, code int) {
	b.t.Helper()
	b.out.Reset()
	b.err.Reset()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	if err := command.Run(ctx, b.env, command.Args(words...)); err != nil {
		code = ui.ExitFailed
		var exit *ui.ExitError
		if errors.As(err, &exit) {
			code = exit.Code
		}
		ui.Report(&b.err, err)
	}
	return b.out.String(), b.err.String(), code
}

// must runs a line that succeeds.
func (b *bench) must(words ...string) (out, errs string) {
	b.t.Helper()
	out, errs, code := b.run(words...)
	if code != 0 {
		b.t.Fatalf("%q: exit %d\n%s%s", words, code, out, errs)
	}
	return out, errs
}

func (b *bench) create(path, data string, acl []proto.ACL, mode proto.CreateMode, ttl int64) string {
	b.t.Helper()
	made, _, err := b.conn.Create(b.t.Context(), path, []byte(data), acl, mode, ttl)
	if err != nil {
		b.t.Fatal(err)
	}
	return made
}
