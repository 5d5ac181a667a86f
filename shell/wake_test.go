//go:build unix

package shell

import (
	"os"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/keys"
)

// TestWakeLosesNoKey: however a wake meets a key, the key is read.
func TestWakeLosesNoKey(t *testing.T) {
	in, typist, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer typist.Close()
	w, err := newWaiter(in)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{in: in, waiter: w}
	defer term.close()
	read := make(chan struct{})
	go func() {
		for {
			p, err := term.readKey()
			if err != nil {
				return
			}
			if p.Key == keys.Text {
				read <- struct{}{}
			}
		}
	}()
	for i := range 20_000 {
		go term.wake()
		if _, err := typist.WriteString("x"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-read:
		case <-time.After(time.Minute):
			t.Fatalf("key %d was not read", i)
		}
	}
}
