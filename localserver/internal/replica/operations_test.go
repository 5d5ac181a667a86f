package replica

import (
	"reflect"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// emptyRequest returns a request of the type about the root, from a client with all permissions.
func emptyRequest(s *Replica, op proto.Op) *request {
	r := &request{Request: zab.Request{Session: alice, Type: op}, conn: &conn{s: s, session: alice}}
	if q := op.NewRequest(); q != nil {
		if p, ok := q.(proto.Pathed); ok {
			*p.ZnodePath() = "/"
		}
		r.Body = jute.Marshal(q)
	}
	return r
}

const alice = 0x100000000000001

// Each operation that a client may request has a row, and the records of package proto.
func TestEachOperationIsAnswered(t *testing.T) {
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Lead(deaf{}, 0)
	for _, op := range proto.Ops() {
		if op == proto.OpAuth || op == proto.OpSASL {
			continue // answered before there is a session
		}
		t.Run(op.String(), func(t *testing.T) {
			o := operations[op]
			if asked := op.Requested() || op == proto.OpCheck; (o != nil) != asked {
				t.Fatalf("asked for: %v, a row: %v", asked, o != nil)
			}
			if o == nil {
				return
			}
			if o.word == "" || word(op) != o.word {
				t.Errorf("word %q", o.word)
			}
			if (o.read != nil) != (op.Reads() || op.Requested() && !op.Writes()) || (o.prep != nil) == (o.read != nil) {
				t.Errorf("it writes: %v; read %v, prep %v", op.Writes(), o.read != nil, o.prep != nil)
			}
			same := func(what string, got, want jute.Record) {
				if got != nil && reflect.TypeOf(got) != reflect.TypeOf(want) {
					t.Errorf("%s is %T, want %T", what, got, want)
				}
			}
			s.do(func() {
				r := emptyRequest(s, op)
				s.weigh(r)
				if o.read != nil {
					reply, err := s.read(r)
					if err != 0 && err != proto.ErrMarshallingError && err != proto.ErrNoWatcher {
						t.Error(err)
					}
					same("the reply", reply, op.NewReply())
					return
				}
				body, _ := proto.NewTxnBody(op)
				p := &prep{s: s, r: r, header: proto.TxnHeader{Zxid: 1}}
				part, _ := p.part(proto.MultiOp{Type: op, Request: op.NewRequest()})
				same("the transaction of a part", part, body)
				txn, err := p.txn()
				if err == proto.ErrUnimplemented && op != proto.OpCheck {
					t.Error(err)
				}
				same("the transaction", txn, body)
				if (o.reply != nil) != (op.NewReply() != nil) {
					t.Errorf("a reply: %v, a record for it: %v", o.reply != nil, op.NewReply() != nil)
					return
				}
				if o.reply != nil {
					same("the reply", o.reply(&zab.Proposal{Txn: proto.TxnEntry{Body: body}}, &ztree.Result{}), op.NewReply())
				}
			})
		})
	}
}
