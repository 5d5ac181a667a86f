package ui

import (
	"runtime"
	"testing"
)

// gate is a writer that waits for leave to write.
type gate chan struct{}

func (g gate) Write(text []byte) (int, error) {
	<-g
	return len(text), nil
}

// TestBatchesReuseTheirBuffers: whether the writer is ahead or lags, the same few buffers serve.
func TestBatchesReuseTheirBuffers(t *testing.T) {
	const rounds = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	leave := make(gate, 3)
	b := NewBatches(leave, nil)
	fill := func() { b.Text = b.Text[:BatchSize] }
	for range rounds {
		for range 2 {
			fill()
			if err := b.More(); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			leave <- struct{}{}
		}
		fill()
		if err := b.Drain(); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 10*BatchSize {
		t.Errorf("%d rounds took %d KiB of buffers", rounds, took>>10)
	}
}
