package snapshot

import (
	"cmp"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// heavy is one of the largest subtrees.
type heavy struct {
	By     string `json:"by"`
	Rank   int    `json:"rank"`
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`  // of data
	Znodes int64  `json:"znodes"` // including the first
}

// ranking keeps the n largest.
type ranking struct {
	by     string
	n      int
	weight func(heavy) int64
	list   []heavy
}

func (r *ranking) order(a, b heavy) int {
	return cmp.Or(-cmp.Compare(r.weight(a), r.weight(b)), compareTree(a.Path, b.Path))
}

func (r *ranking) add(h heavy) {
	if len(r.list) == r.n && r.weight(h) < r.weight(r.list[r.n-1]) {
		return
	}
	at, _ := slices.BinarySearchFunc(r.list, h, r.order)
	r.list = slices.Insert(r.list, at, h)
	r.list = r.list[:min(len(r.list), r.n)]
}

func printTop(opt *summaryOptions, im image, part scope, format ui.Format) error {
	bytes := &ranking{by: "bytes", n: opt.top, weight: func(h heavy) int64 { return h.Bytes }}
	count := &ranking{by: "znodes", n: opt.top, weight: func(h heavy) int64 { return h.Znodes }}
	var whole heavy
	err := climb(im, part, func(s *subtree, _ int, parent *subtree) {
		h := heavy{Path: shown(s.path), Bytes: s.bytes, Znodes: s.nodes}
		if parent == nil {
			whole = h
			return
		}
		bytes.add(h)
		count.add(h)
	})
	if whole.Path == "" && err != nil {
		return err
	}
	p := newPrinter(opt.streams.Out)
	for _, r := range []*ranking{bytes, count} {
		if format == ui.JSON {
			for i, h := range r.list {
				h.By, h.Rank = r.by, i+1
				_ = p.object(h)
			}
			continue
		}
		p.printf("Largest subtrees below %s by %s\n%s\n\n", escape.Line(whole.Path), r.by, r.table(whole))
	}
	if flushErr := p.flush(); err == nil {
		err = flushErr
	}
	return err
}

func (r *ranking) table(whole heavy) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"path", "bytes", "znodes", "share"})
	for _, h := range r.list {
		share := 0.0
		if w := r.weight(whole); w > 0 {
			share = 100 * float64(r.weight(h)) / float64(w)
		}
		t.AppendRow(table.Row{escape.Line(h.Path), h.Bytes, h.Znodes, text.AlignRight.Apply(percent(share), 6)})
	}
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 2, Align: text.AlignRight}, {Number: 3, Align: text.AlignRight}, {Number: 4, Align: text.AlignRight},
	})
	return t.Render()
}
