package logformatter

import (
	"hash/adler32"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/ui"
)

func adler(raw []byte) int64 { return int64(adler32.Checksum(raw)) }

func streams(in string, out, errOut io.Writer) *ui.Streams {
	return &ui.Streams{In: strings.NewReader(in), Out: out, Err: errOut, Width: 80}
}

// lines is what a command has printed so far.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await waits until the text has been printed.
func (l *lines) await(t *testing.T, want string) {
	t.Helper()
	if !await.Within(30*time.Second, func() bool { return strings.Contains(l.text(), want) }) {
		t.Fatalf("%q did not come:\n%s", want, l.text())
	}
}
