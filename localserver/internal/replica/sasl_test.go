package replica

import (
	"errors"
	"fmt"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sasl/digestmd5"
)

// digestExchange lets bob in, and nobody else.
type digestExchange struct{ *digestmd5.Server }

func (x digestExchange) ID() string { return x.User() }

func saslConn(start func() SASLExchange) *conn {
	return &conn{s: &Replica{opt: Options{SASL: SASLOptions{Exchange: start}}}}
}

func newDigestExchange() SASLExchange {
	return digestExchange{digestmd5.NewServer(digestmd5.Protocol, digestmd5.ServerName, func(user string) (string, bool) { return "secret", user == "bob" })}
}

func TestSASLTokens(t *testing.T) {
	c := saslConn(newDigestExchange)
	client := digestmd5.NewClient("bob", "secret", digestmd5.Protocol, digestmd5.ServerName)
	var token []byte
	for i := range 2 {
		token, _, _ = client.Step(token)
		step := c.evaluateSASL(jute.Marshal(&proto.SASLToken{Token: token}))
		if step.err != nil || step.hangUp || (step.id == "bob") != (i == 1) {
			t.Fatalf("token %d: %+v", i, step)
		}
		token = step.answer.Token
	}
	if step := c.evaluateSASL(jute.Marshal(&proto.SASLToken{Token: []byte{}})); step.err == nil || step.id != "" {
		t.Errorf("after the end: %+v", step)
	}
	for name, body := range map[string][]byte{"null": jute.Marshal(&proto.SASLToken{}), "nothing": nil, "cut off": {0, 0, 0, 9, 1}, "too long": {0x7f, 0xff, 0xff, 0xff}} {
		if step := saslConn(newDigestExchange).evaluateSASL(body); step.err == nil || !step.hangUp {
			t.Errorf("%s: %+v", name, step)
		}
	}
	if step := saslConn(nil).evaluateSASL(jute.Marshal(&proto.SASLToken{Token: []byte("x")})); step.err != nil || step.hangUp || step.id != "" || step.answer.Token != nil {
		t.Errorf("without a login: %+v", step)
	}
	badName := saslConn(func() SASLExchange { return failingExchange{fmt.Errorf("%w: a@b@c", ErrSASLName)} })
	if step := badName.evaluateSASL(jute.Marshal(&proto.SASLToken{Token: []byte("x")})); !errors.Is(step.err, ErrSASLName) || !step.hangUp {
		t.Errorf("a name that nobody can have: %+v", step)
	}
}

type failingExchange struct{ err error }

func (x failingExchange) Step([]byte) ([]byte, bool, error) { return nil, false, x.err }
func (x failingExchange) ID() string                        { return "" }

func FuzzSASLTokens(f *testing.F) {
	f.Add(jute.Marshal(&proto.SASLToken{Token: []byte{}}), jute.Marshal(&proto.SASLToken{Token: []byte(`username="bob",realm="zk-sasl-md5"`)}))
	f.Add([]byte{0, 0, 0, 9}, []byte(nil))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c := saslConn(newDigestExchange)
		for _, body := range [][]byte{first, second} {
			if step := c.evaluateSASL(body); step.id != "" {
				t.Errorf("a stranger is %q", step.id)
			} else if step.hangUp {
				return
			}
		}
	})
}
