package shell

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/internal/ui"
)

// pager holds back what a command shows until it is longer than the terminal, and then passes it to a program; if the command ends
// before, pauses, asks or moves the cursor, it is shown on the terminal, as is everything after it. Messages wait while the program
// runs.
type pager struct {
	ctx           context.Context
	ended         func() // called when the program has ended before its input
	line          string // of the program
	out, err      io.Writer
	width, height int

	mu      sync.Mutex
	state   pagerState
	held    []heldText
	row     int // where the cursor would be
	col     int
	pause   *time.Timer
	program *program
	over    atomic.Bool // the program's input has ended
	late    []byte      // messages
	missed  int         // bytes of more
	trouble error       // the program could not be started
}

type pagerState int

const (
	holding pagerState = iota
	direct
	paging
)

// heldText is a write to one of the streams.
type heldText struct {
	text    []byte
	message bool // for Err
}

// pagerPause is how long a command may print nothing before what it has printed is shown.
const pagerPause = 200 * time.Millisecond

// paged runs a command whose output is shown by a pager, which is a line for the user's shell.
func paged(ctx context.Context, line string, s *ui.Streams, run func(context.Context, *ui.Streams) error) error {
	inner, stop := context.WithCancel(ctx)
	defer stop()
	p := &pager{ctx: ctx, ended: stop, line: line, out: ui.Raw(s.Out), err: ui.Raw(s.Err), width: max(s.Width, 1), height: s.Height}
	streams := s.Over(pagerOut{p}, pagerErr{p})
	streams.In = pagerIn{s.In, p}
	err := run(inner, streams)
	streams.Flush()
	p.mu.Lock()
	defer p.mu.Unlock()
	program := p.program
	p.takeTerminal()
	switch {
	case p.trouble != nil:
		ui.Warn(s.Err, "%v", p.trouble)
	case program != nil && program.failed() != nil:
		return fmt.Errorf("write to the pager %s: %w", line, program.failed())
	case program != nil && !program.explains(ctx, err):
		return nil
	}
	return err
}

// takeTerminal shows what is held back, waits for the program, and shows everything else at once; p.mu is held.
func (p *pager) takeTerminal() {
	if p.pause != nil {
		p.pause.Stop()
	}
	switch p.state {
	case holding:
		for _, h := range p.held {
			to := p.out
			if h.message {
				to = p.err
			}
			_, _ = to.Write(h.text)
		}
	case paging:
		p.over.Store(true)
		_ = p.program.wait() // how a person leaves it is no error
		_, _ = p.err.Write(p.late)
		if p.missed > 0 {
			fmt.Fprintf(p.err, "(%d more bytes of messages are not shown)\n", p.missed)
		}
	}
	p.held, p.late, p.state = nil, nil, direct
}

// hold keeps what is written to one of the streams; p.mu is held.
func (p *pager) hold(text []byte, message bool) {
	p.held = append(p.held, heldText{bytes.Clone(text), message})
	if p.pause == nil {
		p.pause = time.AfterFunc(pagerPause, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.state == holding {
				p.takeTerminal()
			}
		})
	} else {
		p.pause.Reset(pagerPause)
	}
}

// start starts the program with what is held back; p.mu is held.
func (p *pager) start() {
	p.pause.Stop()
	cmd, err := pagerCommand(p.line)
	if err == nil {
		p.program, err = startProgram(p.ctx, cmd, p.out, p.err, func() {
			if !p.over.Load() {
				p.ended()
			}
		})
	}
	if err != nil {
		p.trouble = fmt.Errorf("start the pager %s: %w", p.line, err)
		p.takeTerminal()
		return
	}
	p.state = paging
	held := p.held
	p.held = nil
	for _, h := range held {
		if h.message {
			p.later(h.text)
		} else {
			_, _ = p.program.out.Write(h.text) // it remembers the error
		}
	}
}

// later keeps a message until the program ends; p.mu is held.
func (p *pager) later(text []byte) {
	if len(p.late)+len(text) > maxNotices {
		p.missed += len(text)
		return
	}
	p.late = append(p.late, text...)
}

// pagerCommand returns the program; one that does not exist is an error at once. As git does, it gives less the options that
// suit output with colours, unless LESS has others.
func pagerCommand(line string) (*exec.Cmd, error) {
	name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	if _, err := exec.LookPath(name); err != nil && !strings.ContainsAny(line, "'\"$=\\;&|<>(){}") {
		return nil, err
	}
	cmd := shellCommand(line)
	if strings.TrimSuffix(filepath.Base(name), ".exe") == "less" && os.Getenv("LESS") == "" {
		cmd.Env = append(os.Environ(), "LESS=FRX")
	}
	return cmd, nil
}

// fits moves the cursor over text and reports whether everything so far leaves a row for the prompt; p.mu is held.
func (p *pager) fits(text []byte) bool {
	for len(text) > 0 && p.row < p.height {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '\n':
			p.row, p.col = p.row+1, 0
		case r == '\t':
			p.col += tabWidth - p.col%tabWidth
		case r == '\x1b': // a colour: see moves
			n = max(1, bytes.IndexByte(text, 'm')+1)
		default:
			p.col += runewidth.RuneWidth(r)
		}
		if p.col > p.width {
			p.row, p.col = p.row+1, p.col-p.width
		}
		text = text[n:]
	}
	return p.row < p.height
}

// moves reports whether text has control sequences other than colours.
func moves(text []byte) bool {
	for _, part := range bytes.Split(text, []byte("\x1b"))[1:] {
		end := bytes.IndexFunc(part, func(r rune) bool { return r != '[' && r != ';' && (r < '0' || r > '9') })
		if end == 0 || end > 0 && part[end] != 'm' { // a sequence without an end goes on in the next write
			return true
		}
	}
	return false
}

type pagerOut struct{ *pager }

func (p pagerOut) Write(text []byte) (int, error) {
	p.mu.Lock()
	if p.state == holding {
		if moves(text) {
			p.takeTerminal()
		} else if p.hold(text, false); !p.fits(text) {
			p.start()
			p.mu.Unlock()
			return len(text), p.programErr()
		} else {
			p.mu.Unlock()
			return len(text), nil
		}
	}
	to := p.out
	if p.state == paging {
		to = &p.program.out
	}
	p.mu.Unlock() // before what may take as long as a person reads
	return to.Write(text)
}

// programErr is why the program did not take everything.
func (p *pager) programErr() error {
	if p.program == nil {
		return nil
	}
	return p.program.out.err
}

// Direct implements ui.Holder.
func (p pagerOut) Direct() io.Writer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.takeTerminal()
	return p.out
}

type pagerErr struct{ *pager }

func (p pagerErr) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.state {
	case holding:
		p.hold(text, true)
	case paging:
		p.later(text)
	default:
		return p.err.Write(text)
	}
	return len(text), nil
}

// Direct implements ui.Holder, for what shows progress: it may do so while no program runs.
func (p pagerErr) Direct() io.Writer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == direct {
		return p.err
	}
	return besidePager(p)
}

type besidePager struct{ *pager }

func (p besidePager) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == paging {
		return len(text), nil
	}
	return p.err.Write(text)
}

// pagerIn is the input of a command: whoever reads it has asked something.
type pagerIn struct {
	io.Reader
	*pager
}

func (p pagerIn) Read(buf []byte) (int, error) {
	pagerOut{p.pager}.Direct()
	return p.Reader.Read(buf)
}

// Answer implements ui.Ahead.
func (p pagerIn) Answer(is func(string) bool) (line string, ok bool) {
	pagerOut{p.pager}.Direct()
	if in, isAhead := p.Reader.(ui.Ahead); isAhead {
		return in.Answer(is)
	}
	return "", false
}
