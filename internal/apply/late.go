package apply

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/zpath"
)

// late raises the next sequence numbers of znodes whose children are there, and then gives them the wanted ACLs.
//
// Each create raises the number, and a delete does not lower it (PrepRequestProcessor.pRequest2TxnCreate). So a child is
// created and deleted as often as is missing. Both are in one multi: nobody sees the child, and a count quota must
// leave room for one znode only.
type late struct {
	*run
	waiting []*branch
	refuse  map[string]bool // whose number cannot be raised
}

// maxWaiting is how many znodes wait until their numbers are raised at once.
const maxWaiting = 10_000

func (l *late) add(ctx context.Context, b *branch) error {
	l.waiting = append(l.waiting, b)
	if len(l.waiting) < maxWaiting || l.opt.Instead != nil {
		return nil
	}
	return l.finish(ctx)
}

// atOnce adds what raises the numbers of those that wait, which this run creates in the same transaction.
func (l *late) atOnce() error {
	for _, b := range l.waiting {
		l.res.Raised++
		if err := l.raise(shortfall{branch: b, pairs: int(b.want - b.have), kids: b.have}); err != nil {
			return err
		}
		if err := l.run.finish(b); err != nil {
			return err
		}
	}
	return nil
}

// finish raises the numbers of those that wait.
func (l *late) finish(ctx context.Context) error {
	if len(l.waiting) == 0 {
		return nil
	}
	l.refuse = map[string]bool{}
	if l.opt.DryRun {
		missing := make([]shortfall, len(l.waiting))
		for i, b := range l.waiting {
			missing[i] = shortfall{branch: b, pairs: int(b.want - b.have)}
			l.res.Raised++
			l.res.Pairs += missing[i].pairs
		}
		l.waiting = nil
		return l.ask(missing)
	}
	if err := l.w.flush(); err != nil {
		return err
	}
	asked := false
	open := l.waiting
	for round := 0; len(open) > 0; round++ {
		missing, err := l.missing(ctx, open)
		if err != nil {
			return err
		}
		if !asked {
			asked = true
			if err := l.ask(missing); err != nil {
				return err
			}
		}
		open = open[:0:0]
		for _, m := range missing {
			if m.refused != nil {
				l.refused(m.path, m.refused)
			}
			if m.pairs == 0 || l.refuse[m.path] {
				continue
			}
			if round == maxRounds {
				l.miss(m.path, fmt.Errorf("%w: the connection was lost again and again", ErrNumber))
				continue
			}
			if round == 0 {
				l.res.Raised++
			}
			if err := l.raise(m); err != nil {
				return err
			}
			open = append(open, m.branch)
		}
		if err := l.w.flush(); err != nil {
			return err
		}
	}
	waiting := l.waiting
	l.waiting = nil
	for _, b := range waiting {
		if err := l.run.finish(b); err != nil {
			return err
		}
	}
	return l.w.flush()
}

// maxRounds is how often pairs are made of which some were lost.
const maxRounds = 20

// shortfall is a znode and the number of pairs that it lacks.
type shortfall struct {
	*branch
	pairs   int
	kids    int32
	refused *client.OpError // why it is not known
}

// missing reads how many pairs each lacks now.
func (l *late) missing(ctx context.Context, list []*branch) ([]shortfall, error) {
	missing := make([]shortfall, len(list))
	errs := make([]error, len(list))
	command.ForEach(ctx, len(list), command.InFlight, func(i int) error {
		missing[i].branch = list[i]
		stat, err := l.conn.Exists(ctx, list[i].path, false)
		var op *client.OpError
		switch {
		case errors.Is(err, proto.ErrNoNode): // which another change reports
			return nil
		case errors.As(err, &op):
			missing[i].refused = op
			return nil
		case err != nil:
			errs[i] = err
			return err
		}
		missing[i].kids = stat.NumChildren
		if have := source.NextSequence(&stat); have < list[i].want {
			missing[i].pairs = int(list[i].want - have)
		}
		return nil
	}, errs, func(int) {})
	for _, err := range errs {
		var loss *client.LossError
		switch {
		case errors.As(err, &loss) && loss.Code == proto.ErrConnectionLoss:
			if err := l.w.reconnect(err); err != nil {
				return nil, err
			}
			return l.missing(ctx, list)
		case err != nil:
			return nil, err
		}
	}
	return missing, nil
}

// ask says how many pairs it takes, and asks before there are very many.
func (l *late) ask(missing []shortfall) error {
	total, parents, most := 0, 0, shortfall{}
	for _, m := range missing {
		if m.pairs > 0 {
			total += m.pairs
			parents++
		}
		if m.pairs > most.pairs {
			most = m
		}
	}
	if l.opt.Raise == nil || total == 0 {
		return nil
	}
	largest := ""
	if most.pairs > AskAbove {
		largest = most.path
	}
	yes, err := l.opt.Raise(parents, total, largest)
	if err != nil || yes {
		return err
	}
	for _, m := range missing {
		if m.pairs > AskAbove {
			l.refuse[m.path] = true
			l.miss(m.path, fmt.Errorf("%w: it stays %s below %010d", ErrNumber, command.Thousands(m.pairs), m.want))
		}
	}
	return nil
}

// The name of the child that is created and deleted, without what is random, and how that ends which stays meanwhile.
const (
	sequenceChild = "zkctl-sequence-"
	keptChild     = "-0"
)

// leftBehind reports whether a run that was killed may have left a znode in a container.
func leftBehind(z *source.Znode) bool {
	name := zpath.Name(z.Path)
	return strings.HasPrefix(name, sequenceChild) && strings.HasSuffix(name, keptChild) && z.Known && z.Data == nil
}

// raise makes the pairs that a znode lacks.
func (l *late) raise(m shortfall) error {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	child := m.path + "/" + sequenceChild + hex.EncodeToString(random[:])
	if m.path == "/" {
		child = child[1:]
	}
	// A container that has had children and has none is deleted by the server sooner or later.
	kept := m.container && m.kids == 0
	if kept {
		if err := l.w.add(&change{op: keep, path: m.path, child: child + keptChild}); err != nil {
			return err
		}
		m.pairs--
	}
	most := max(1, min(l.opt.Batch/2, batchBytes/pairSize(child)))
	for m.pairs > 0 {
		n := min(m.pairs, most)
		if err := l.w.add(&change{op: pair, path: m.path, child: child, pairs: n}); err != nil {
			return err
		}
		m.pairs -= n
	}
	if kept {
		return l.w.add(&change{op: remove, path: child + keptChild, version: 0})
	}
	return nil
}

// ErrNumber means that a znode is as wanted, except for its next sequence number.
var ErrNumber = errors.New("its next sequence number could not be raised")

// refused notes that the server does not let a number be raised.
func (l *late) refused(path string, op *client.OpError) {
	if !l.refuse[path] {
		l.refuse[path] = true
		l.miss(path, fmt.Errorf("%w: %w", ErrNumber, op))
	}
}
