package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/zkctl/zkctl/internal/ui"
)

// plain reads lines where the terminal cannot be edited on: TERM=dumb, or no /dev/tty. The
// terminal itself reads and echoes the line.
type plain struct {
	streams *ui.Streams
	label   func() label
	in      *bufio.Reader
	lines   chan plainLine
	stopped chan struct{}
	once    sync.Once
}

type plainLine struct {
	text string
	err  error
}

func newPlain(s *ui.Streams, label func() label) *plain {
	return &plain{streams: s, label: label, in: bufio.NewReader(s.In), stopped: make(chan struct{})}
}

func (p *plain) ReadLine() (string, error) {
	for _, s := range p.label().spans(p.streams.Width) {
		fmt.Fprint(p.streams.Out, s.text)
	}
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
	case <-p.stopped:
		return "", errStopped
	}
}

func (p *plain) Notice(text string) { fmt.Fprintf(p.streams.Err, "\n%s\n", text) }
func (p *plain) Redraw()            {}
func (p *plain) Changed()           {}
func (p *plain) Resize()            {}
func (p *plain) Resume()            {}
func (p *plain) Stop()              { p.once.Do(func() { close(p.stopped) }) }
func (p *plain) close()             {}
func (p *plain) rescue()            {}
func (p *plain) freshRow()          { fmt.Fprintln(p.streams.Err) }

func (p *plain) input(context.Context) io.Reader { return p.in }
