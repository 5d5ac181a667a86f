package logformatter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// maxDumpers is how many goroutines print a log at most: reading and writing, which happen in turn, keep no more busy.
const maxDumpers = 4

// fileDump prints one log. Several goroutines each take the next piece of the log, format it, and print it when its turn
// comes. So memory holds a piece for each of them, however long the log is.
type fileDump struct {
	*dumper
	ctx context.Context

	mu    sync.Mutex // guards what follows, and is held while a piece is read
	r     *storage.LogReader
	turn  chan struct{} // closed once all pieces read so far are printed
	head  []byte        // to be printed before the first piece
	ended bool          // no further piece is wanted

	// Of the goroutine whose turn it is.
	count  int64 // transactions printed or passed over
	before int64 // dumper.shown without this file
	err    error
}

// piece is a part of a log, formatted.
type piece struct {
	storage.Batch
	printer printer
	text    []byte
	notes   []note
	count   int64 // transactions
	shown   int64 // of them
	end     error // what NextBatch met after the batch
}

// note is what is to be done once a part of a piece's text is printed.
type note struct {
	at    int   // the length of that part
	fault error // to be reported; may be nil
	stop  error // to stop with; may be nil
}

// errStop stops a log that has nothing more to print, but is not an error.
var errStop = errors.New("stop")

// file prints one log. It reports damage itself and does not return it as an error.
func (d *dumper) file(ctx context.Context, path string) error {
	r, err := storage.OpenLog(path)
	if err != nil {
		return d.fault(err)
	}
	defer r.Close()
	turn := make(chan struct{})
	close(turn)
	f := &fileDump{dumper: d, ctx: ctx, r: r, turn: turn, before: d.shown}
	if f.inText() {
		f.head = appendFileHead(nil, r)
	}
	var others sync.WaitGroup
	if d.opt.Limit == 0 && d.opt.Tail < 0 { // otherwise what is formatted depends on what was before
		for range min(maxDumpers, runtime.GOMAXPROCS(0)) - 1 {
			others.Go(f.work)
		}
	}
	f.work()
	others.Wait()
	if errors.Is(f.err, errStop) {
		return nil
	}
	return f.err
}

// inText reports whether there are lines about the file.
func (f *fileDump) inText() bool { return !f.json && f.opt.Tail < 0 }

// work prints pieces until there are no more.
func (f *fileDump) work() {
	p := piece{printer: newPrinter(f.opt)}
	for {
		before, done := f.read(&p)
		if done == nil {
			return
		}
		f.format(&p)
		<-before
		if f.err == nil {
			f.err = f.emit(&p)
		}
		if f.err != nil {
			f.mu.Lock()
			f.ended = true
			f.mu.Unlock()
		}
		close(done)
	}
}

// read takes the next piece of the log. before is closed once it may be printed, and done is to be closed once it is; done
// is nil if there is no such piece.
func (f *fileDump) read(p *piece) (before <-chan struct{}, done chan<- struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return nil, nil
	}
	p.end = f.r.NextBatch(&p.Batch)
	p.text = append(slices.Grow(p.text[:0], p.Size()*9/8), f.head...) // enough for most pieces
	f.head = nil
	f.ended = p.end != nil
	turn := make(chan struct{})
	before, f.turn = f.turn, turn
	return before, turn
}

// format fills in the piece's text and notes.
func (f *fileDump) format(p *piece) {
	p.notes, p.count, p.shown = p.notes[:0], 0, 0
	for e := p.Next(); e != nil; e = p.Next() {
		if !e.Intact() && f.opt.Format == formatLogFormatter {
			p.note(damaged(f.r, e, storage.BadChecksum, fmt.Errorf("its checksum is %d but should be %d", e.Stored, e.Computed)), errStop)
			return
		}
		if f.filter.match(e) {
			p.shown++
			if f.opt.Tail >= 0 {
				f.keep(f.r, e)
			} else if text, err := p.printer.append(p.text, e.Raw, e.Intact(), e.Stored); err != nil {
				p.note(damaged(f.r, e, storage.BadRecord, err), nil)
			} else {
				p.text = text
			}
		}
		switch e.EOR {
		case 'B':
			p.count++
		case 0: // NextBatch reports it
		default:
			p.note(damaged(f.r, e, storage.BadEnd, fmt.Errorf("its last byte is %#02x instead of 'B'", e.EOR)), nil)
		}
		if f.opt.Limit > 0 && f.shown+p.shown >= f.opt.Limit {
			p.note(nil, errLimit)
			return
		}
	}
}

func (p *piece) note(fault, stop error) { p.notes = append(p.notes, note{len(p.text), fault, stop}) }

// emit prints a piece, after all before it. Its error is what f stops with.
func (f *fileDump) emit(p *piece) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	f.count += p.count
	f.shown += p.shown
	if p.end != nil && (len(p.notes) == 0 || p.notes[len(p.notes)-1].stop == nil) {
		var fault *storage.Fault
		whole := errors.Is(p.end, io.EOF)
		if f.inText() && (whole || errors.As(p.end, &fault) && fault.Kind == storage.CutOff) {
			p.text = f.appendFileEnd(p.text, f.count, f.shown-f.before)
		}
		if whole {
			p.note(nil, errStop)
		} else {
			p.note(p.end, errStop)
		}
	}
	from := 0
	for _, n := range p.notes {
		if err := f.write(p.text[from:n.at]); err != nil {
			return err
		}
		from = n.at
		if n.fault != nil {
			if err := f.fault(n.fault); err != nil {
				return err
			}
		}
		if n.stop != nil {
			return n.stop
		}
	}
	if err := f.write(p.text[from:]); err != nil {
		return err
	}
	if cap(p.text) > 8*ui.BatchSize { // something enormous
		p.text = nil
	}
	return nil
}

func (f *fileDump) write(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, err := f.opt.Streams.Out.Write(text)
	return err
}
