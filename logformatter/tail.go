package logformatter

import (
	"fmt"

	"github.com/zkctl/zkctl/internal/storage"
)

// keep stores a transaction for --tail.
func (d *dumper) keep(r *storage.LogReader, e *storage.Entry) {
	if d.opt.Tail == 0 {
		return
	}
	k := kept{file: r.Name(), intact: e.Intact(), stored: e.Stored}
	if len(d.tail) < d.opt.Tail {
		d.tail = append(d.tail, k)
		d.at = len(d.tail) - 1
	} else {
		k.raw, k.head = d.tail[d.at].raw, d.tail[d.at].head
	}
	k.raw = append(k.raw[:0], e.Raw...)
	if !d.json {
		k.head = appendFileHead(k.head[:0], r)
	}
	d.tail[d.at] = k
	if d.at++; d.at == d.opt.Tail {
		d.at = 0
	}
}

// printTail prints what keep stored, oldest first, under the header of each file.
func (d *dumper) printTail() error {
	n := len(d.tail)
	for i := range n {
		at := i
		if n == d.opt.Tail {
			at = (d.at + i) % n
		}
		k := &d.tail[at]
		if k.file != d.current && !d.json {
			d.out.Text = append(d.out.Text, k.head...)
		}
		d.current = k.file
		err := d.print(k.raw, k.intact, k.stored, func(err error) error { return fmt.Errorf("read %s: %w", k.file, err) })
		if err != nil {
			return err
		}
		if err := d.out.More(); err != nil {
			return err
		}
	}
	d.tail, d.at = nil, 0
	return nil
}
