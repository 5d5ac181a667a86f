package sharedio

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestBuffer(t *testing.T) {
	b := Buffer{Keep: 100}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for n := range 100 {
				fmt.Fprintf(&b, "line %d\n", n)
			}
		})
	}
	wg.Wait()
	if n := len(b.String()); n < 100 || n > 200 {
		t.Errorf("it keeps %d bytes", n)
	}
	b.Reset()
	fmt.Fprint(&b, "a\nb\nc\n")
	if b.String() != "a\nb\nc\n" || b.Tail(2) != "b\nc" || b.Tail(9) != "a\nb\nc" {
		t.Errorf("%q, the last two lines %q", b.String(), b.Tail(2))
	}
}

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, fmt.Errorf("write %d", -f.after)
	}
	return len(p), nil
}

func TestWriterKeepsTheFirstError(t *testing.T) {
	w := Writer{W: &failing{after: 1}}
	for range 3 {
		_, _ = w.Write([]byte("x"))
	}
	if err := w.Failed(); err == nil || !strings.Contains(err.Error(), "write 1") {
		t.Error(err)
	}
}
