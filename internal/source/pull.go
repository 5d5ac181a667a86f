package source

import (
	"context"
	"slices"
)

// Pulled is a walk whose znodes are taken one by one, so that two walks can be read side by side. The
// walk goes on, on its own goroutine, while its reader does something else.
type Pulled struct {
	cancel context.CancelFunc
	parts  chan pulledPart
	part   pulledPart
	at     int
	ended  bool
	report Report
}

// pulledPart is some znodes, or the end of the walk.
type pulledPart struct {
	znodes []Znode
	end    bool
	report Report
	err    error
}

// The largest part, in znodes and in bytes of data, and how many may wait.
const (
	pulledZnodes = 256
	pulledBytes  = 256 << 10
	pulledParts  = 4
)

// Pull starts a walk; visit is what the walk of a source does. The caller calls Stop.
func Pull(ctx context.Context, walk func(ctx context.Context, visit func(z *Znode) error) (Report, error)) *Pulled {
	ctx, cancel := context.WithCancel(ctx)
	p := &Pulled{cancel: cancel, parts: make(chan pulledPart, pulledParts)}
	go func() {
		defer close(p.parts)
		var znodes []Znode
		bytes := 0
		pass := func(part pulledPart) error {
			select {
			case p.parts <- part:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		report, err := walk(ctx, func(z *Znode) error {
			znodes = append(znodes, *z)
			last := &znodes[len(znodes)-1]
			last.Data = slices.Clone(z.Data) // it may be valid during the visit only
			if bytes += len(z.Data) + len(z.Path); len(znodes) < pulledZnodes && bytes < pulledBytes {
				return nil
			}
			part := pulledPart{znodes: znodes}
			znodes, bytes = make([]Znode, 0, pulledZnodes), 0
			return pass(part)
		})
		_ = pass(pulledPart{znodes: znodes, end: true, report: report, err: err}) // after Stop nobody waits for it
	}()
	return p
}

// Next returns the next znode, or nil at the end; it is valid until Stop. The error is that of the walk.
func (p *Pulled) Next() (*Znode, error) {
	for p.at == len(p.part.znodes) {
		if p.ended {
			return nil, p.part.err
		}
		part, ok := <-p.parts
		if !ok { // only after Stop
			return nil, context.Canceled
		}
		p.part, p.at = part, 0
		if part.end {
			p.ended, p.report = true, part.report
		}
	}
	z := &p.part.znodes[p.at]
	p.at++
	return z, nil
}

// Report is that of the walk, once Next has returned nil.
func (p *Pulled) Report() Report { return p.report }

// Stop ends the walk, and waits until it has ended.
func (p *Pulled) Stop() {
	p.cancel()
	for range p.parts {
	}
}
