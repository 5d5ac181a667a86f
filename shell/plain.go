package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// plain reads lines if the terminal cannot be used for editing: TERM=dumb, or no /dev/tty. The
// terminal itself reads and echoes the line.
type plain struct {
	streams *ui.Streams
	label   func(width int) []span
	in      *bufio.Reader
	lines   chan plainLine
	stopped chan struct{}
	once    sync.Once
	reading atomic.Bool
	given   chan struct{} // closed when Ctrl-C discards the line
}

type plainLine struct {
	text string
	err  error
}

func newPlain(s *ui.Streams, label func(width int) []span) *plain {
	return &plain{streams: s, label: label, in: bufio.NewReader(s.In), stopped: make(chan struct{}), given: make(chan struct{}, 1)}
}

// ReadLine returns a line with all its rows.
func (p *plain) ReadLine() (string, error) {
	p.reading.Store(true)
	defer p.reading.Store(false)
	for {
		for _, s := range p.label(p.streams.Width) {
			fmt.Fprint(p.streams.Out, s.text)
		}
		if text, err := p.readRows(); !errors.Is(err, errGivenUp) {
			return text, err
		}
		fmt.Fprintln(p.streams.Out)
	}
}

var errGivenUp = errors.New("shell: the line is given up")

func (p *plain) readRows() (string, error) {
	var text strings.Builder
	var c command.Continuation
	for {
		row, err := p.readRow()
		if errors.Is(err, io.EOF) && text.Len() > 0 {
			return "", errGivenUp
		}
		text.WriteString(row)
		if err != nil || !c.Add(row) {
			return text.String(), err
		}
		text.WriteByte('\n')
		fmt.Fprint(p.streams.Out, continued)
	}
}

func (p *plain) readRow() (string, error) {
	if p.lines == nil {
		p.lines = make(chan plainLine, 1)
		go func() {
			text, err := p.in.ReadString('\n')
			if text != "" && errors.Is(err, io.EOF) {
				err = nil
			}
			p.lines <- plainLine{strings.TrimRight(text, "\r\n"), err}
		}()
	}
	select {
	case l := <-p.lines:
		p.lines = nil
		return l.text, l.err
	case <-p.given: // the row being read belongs to the next line
		return "", errGivenUp
	case <-p.stopped:
		return "", errStopped
	}
}

func (p *plain) giveUp() bool {
	if !p.reading.Load() {
		return false
	}
	select {
	case p.given <- struct{}{}:
	default:
	}
	return true
}

func (p *plain) Notice(text string) { fmt.Fprintf(p.streams.Err, "\n%s\n", text) }
func (p *plain) Redraw()            {}
func (p *plain) Changed()           {}
func (p *plain) Resize()            {}
func (p *plain) Resume()            {}
func (p *plain) Stop()              { p.once.Do(func() { close(p.stopped) }) }
func (p *plain) close()             {}
func (p *plain) rescue()            {}
func (p *plain) dropPasted() int    { return 0 }
func (p *plain) freshRow()          { fmt.Fprintln(p.streams.Err) }

func (p *plain) input(context.Context) io.Reader { return p.in }
