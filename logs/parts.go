package logs

import (
	"context"
	"errors"
	"io"
	"runtime"

	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// leastPart is the size, in bytes, from which on a file is read in parts, by several processors at once.
const leastPart = 16 << 20

// part is a part of a file.
type part struct {
	file   *source
	from   int64
	length int64
}

// parts divides a file, or returns one part for all of it.
func (s *source) parts(ctx context.Context) []part {
	whole := []part{{file: s}}
	if !rereadable(s.files) {
		return whole
	}
	in, err := format.Open(ctx, s.files[0])
	if err != nil {
		return whole // who reads it reports that
	}
	defer in.Close()
	_, size := in.Plain()
	n := min(int64(runtime.GOMAXPROCS(0)), size/leastPart)
	if n < 2 || !headed(in) {
		return whole
	}
	list := make([]part, n)
	for i := range list {
		from := size / n * int64(i)
		list[i] = part{file: s.again(), from: from, length: size/n*int64(i+1) - from}
		if i == len(list)-1 {
			list[i].length = size - from
		}
	}
	return list
}

// headed reports whether the lines at the start of a log have headers. Without them nothing tells where an event starts.
func headed(in *format.Input) bool {
	r := format.NewReader(io.LimitReader(in, 64<<10), format.Clock{Order: in.Dates.Order})
	with, all := 0, 0
	for {
		e, err := r.Next()
		if err != nil {
			return with*2 > all
		}
		all++
		if e.Layout != format.Plain {
			with++
		}
	}
}

// tally counts the events of a part.
func (p *part) tally(ctx context.Context, c *catalogue.Catalogue, t *tally) error {
	s := p.file
	if p.length == 0 {
		return t.source(ctx, c, s)
	}
	s.file, s.files = s.files[0], nil
	if err := s.open(ctx); err != nil {
		if errors.Is(err, errAmbiguous) {
			return err
		}
		s.complain(err)
		return nil
	}
	f, _ := s.in.Plain()
	if f == nil { // it is another file by now
		s.close()
		return nil
	}
	first := p.from == 0
	from := p.from
	if !first {
		from-- // a part that starts with a line has the line break before it
	}
	length := p.length + p.from - from
	s.reader = format.NewPartReader(io.NewSectionReader(f, from, 1<<62-from), s.reader.Clock, first, length)
	return t.source(ctx, c, s)
}
