package ui

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
)

func TestAsk(t *testing.T) {
	for answer, want := range map[string]bool{
		"y\n": true, "YES\r\n": true, " y ": true, "n\n": false, "\n": false, "": false, "yeah\n": false,
	} {
		var shown bytes.Buffer
		s := &Streams{In: strings.NewReader(answer), Err: &shown}
		got, err := s.Ask(context.Background(), "Really?")
		if got != want || err != nil || !strings.HasPrefix(shown.String(), "Really? [y/N] ") {
			t.Errorf("%q: %v, %v, %q", answer, got, err, shown.String())
		}
	}
}

func TestAskIsInterrupted(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	var shown bytes.Buffer
	if ok, err := (&Streams{In: r, Err: &shown}).Ask(ctx, "Really?"); ok || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v", ok, err)
	}
	if _, err := w.WriteString("left"); err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, 10)
	if n, err := r.Read(rest); string(rest[:n]) != "left" {
		t.Errorf("what came later is %q, %v", rest[:n], err)
	}
}

// TestProgress wants every state of the line to fit the terminal, and nothing left of it.
func TestProgress(t *testing.T) {
	for _, width := range []int{60, 80, 200} {
		for _, total := range []int64{0, 200, 150000} {
			var shown bytes.Buffer
			p := (&Streams{Err: &shown, ErrTTY: true, Width: width}).NewProgress("deleted", total)
			p.Set(1)
			if shown.Len() > 0 {
				t.Errorf("shown at once: %q", shown.String())
			}
			p.from = time.Now()
			p.Set(50)
			if !strings.Contains(shown.String(), "deleted") || !strings.Contains(shown.String(), "50") {
				t.Errorf("shown %q", shown.String())
			}
			for _, line := range strings.FieldsFunc(shown.String(), func(r rune) bool { return r == '\r' }) {
				if n := runewidth.StringWidth(strings.ReplaceAll(line, "\x1b[2K", "")); n >= width {
					t.Errorf("%d columns of %d: %q", n, width, line)
				}
			}
			p.Done()
			p.Done()
			if !strings.HasSuffix(shown.String(), "\x1b[2K\r") {
				t.Errorf("left behind: %q", shown.String())
			}
		}
	}
	var shown bytes.Buffer
	p := (&Streams{Err: &shown, Width: 80}).NewProgress("deleted", 9)
	p.from = time.Now()
	p.Set(5)
	p.Done()
	if shown.Len() > 0 {
		t.Errorf("shown without a terminal: %q", shown.String())
	}
}
