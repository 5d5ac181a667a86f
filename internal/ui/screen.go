package ui

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/zkctl/zkctl/internal/keys"
)

// Screen is the whole terminal, for what is drawn again and again. Its methods belong to one goroutine.
type Screen struct {
	s      *Streams
	before *term.State // of the keyboard; nil if In is not a terminal
	shown  []string
	width  int
	height int

	resized chan os.Signal
	decoder keys.Decoder
	reading bool // a read is under way
	arrived chan Arrival
	late    <-chan time.Time
}

// Arrival is what a read of the keyboard came to.
type Arrival struct {
	bytes []byte
	err   error
}

// OpenScreen takes the terminal of Out and, if In is the process's terminal, its keyboard. Close gives it back; a panic on the
// caller's goroutine must pass a deferred Close.
func (s *Streams) OpenScreen() (*Screen, error) {
	c := &Screen{s: s, resized: make(chan os.Signal, 1), arrived: make(chan Arrival, 1)}
	if s.InTTY {
		if in, ok := s.In.(Ahead); ok {
			in.Answer(func(string) bool { return false }) // what was typed earlier is for later commands
		}
		before, err := term.MakeRaw(int(os.Stdin.Fd()))
		if err != nil {
			return nil, fmt.Errorf("read the keyboard key by key: %w", err)
		}
		c.before = before
	}
	if len(resizeSignals) > 0 {
		signal.Notify(c.resized, resizeSignals...)
	}
	if err := c.enter(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// enter shows an empty alternate screen without a cursor, on which lines do not wrap.
func (c *Screen) enter() error {
	c.shown = nil
	return c.write(c.control("?1049h", "?25l", "?7l", "H", "2J"))
}

func (c *Screen) leave() { _ = c.write(c.control("0m", "?7h", "?25h", "?1049l")) }

// Close gives the terminal back as it was.
func (c *Screen) Close() {
	signal.Stop(c.resized)
	c.leave()
	if c.before != nil {
		_ = term.Restore(int(os.Stdin.Fd()), c.before)
	}
}

// Suspend gives the terminal back until the process, which it stops as Ctrl-Z does, continues.
func (c *Screen) Suspend() error {
	c.leave()
	if c.before != nil {
		_ = term.Restore(int(os.Stdin.Fd()), c.before)
	}
	SuspendProcess()
	if c.before != nil {
		if _, err := term.MakeRaw(int(os.Stdin.Fd())); err != nil {
			return fmt.Errorf("read the keyboard key by key: %w", err)
		}
	}
	return c.enter()
}

func (c *Screen) control(sequences ...string) string {
	var b strings.Builder
	for _, s := range sequences {
		b.WriteString(c.s.Control(s))
	}
	return b.String()
}

func (c *Screen) write(text string) error {
	_, err := io.WriteString(c.s.Out, text)
	return err
}

// Resized gets a signal when the size has changed, if the system reports that.
func (c *Screen) Resized() <-chan os.Signal { return c.resized }

// Size asks for the current size, in columns and rows.
func (c *Screen) Size() (width, height int) {
	c.s.Measure()
	if c.s.Width != c.width || c.s.Height != c.height {
		c.width, c.height, c.shown = c.s.Width, c.s.Height, nil
	}
	return c.width, c.height
}

// Show draws the lines, of which none is wider than the screen. Only those that differ from the last ones are sent.
func (c *Screen) Show(lines []string) error {
	lines = lines[:min(len(lines), c.height)]
	var b strings.Builder
	if c.shown == nil {
		b.WriteString(c.control("H", "2J"))
	}
	for i := range max(len(lines), len(c.shown)) {
		line, before := "", ""
		if i < len(lines) {
			line = lines[i]
		}
		if i < len(c.shown) {
			before = c.shown[i]
		}
		if line != before {
			b.WriteString(c.s.Control(fmt.Sprintf("%d;1H", i+1)))
			b.WriteString(c.s.Control("2K"))
			b.WriteString(line)
		}
	}
	c.shown = append([]string{}, lines...)
	if b.Len() == 0 {
		return nil
	}
	return c.write(b.String())
}

// sequencePatience is the pause that separates the Escape key from what a terminal sends for another.
const sequencePatience = 50 * time.Millisecond

// Listen reads the keyboard once, unless a read is in progress. Arrived signals its result. After the last read,
// later input is left to others.
func (c *Screen) Listen() {
	if c.before == nil || c.reading {
		return
	}
	c.reading = true
	go func() {
		buf := make([]byte, 4096)
		n, err := c.s.In.Read(buf)
		c.arrived <- Arrival{buf[:n], err}
	}()
}

// Arrived gets what Listen has read.
func (c *Screen) Arrived() <-chan Arrival { return c.arrived }

// Late gets a time when a lone Escape has waited long enough for the rest of a sequence; then Keys takes the zero Arrival.
func (c *Screen) Late() <-chan time.Time { return c.late }

// Keys are the keys that are complete with what has arrived.
func (c *Screen) Keys(a Arrival) (pressed []keys.Press, err error) {
	final := a.bytes == nil && a.err == nil
	if !final {
		c.reading = false
	}
	c.late = nil
	c.decoder.Feed(a.bytes)
	for p := c.decoder.Next(final); p.Key != keys.None; p = c.decoder.Next(final) {
		pressed = append(pressed, p)
	}
	if c.decoder.Waiting() && !c.decoder.Pasting() {
		c.late = time.After(sequencePatience)
	}
	return pressed, a.err
}
