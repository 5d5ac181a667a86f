package transfer

import (
	"errors"
	"io"

	"github.com/zkctl/zkctl/internal/sorted"
	"github.com/zkctl/zkctl/internal/source"
)

// pathSorter puts paths in the order of a walk. Most of them are in temporary files.
type pathSorter struct {
	s   *sorted.Sorter
	key []byte
	err error // the first one
}

const pathsRoom = 2 << 20 // bytes in memory

func newPathSorter() *pathSorter { return &pathSorter{s: sorted.NewSorter(pathsRoom)} }

func (p *pathSorter) add(path string) {
	if p.err == nil {
		p.key = source.AppendKey(p.key[:0], path)
		p.err = p.s.Add(p.key, nil)
	}
}

// chunks passes on the paths, each once. They are valid until yield returns.
func (p *pathSorter) chunks(yield func([]string) bool) {
	if p.err != nil {
		return
	}
	next, done, err := p.s.Cursor()
	if err != nil {
		p.err = err
		return
	}
	defer done()
	next = sorted.Latest(next)
	part := make([]string, 0, chunk)
	for {
		key, _, err := next()
		switch {
		case err == nil:
			part = append(part, source.PathOf(key))
			if len(part) < chunk {
				continue
			}
		case !errors.Is(err, io.EOF):
			p.err = err
			return
		}
		if len(part) > 0 && !yield(part) || err != nil {
			return
		}
		part = part[:0]
	}
}

func (p *pathSorter) close() { _ = p.s.Close() }
