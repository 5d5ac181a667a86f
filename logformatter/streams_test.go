package logformatter

import (
	"hash/adler32"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/ui"
)

func adler(raw []byte) int64 { return int64(adler32.Checksum(raw)) }

func streams(in string, out, errOut io.Writer) *ui.Streams {
	return &ui.Streams{In: strings.NewReader(in), Out: out, Err: errOut, Width: 80}
}

// awaitText waits until a command has printed it.
func awaitText(t *testing.T, out *sharedio.Buffer, want string) {
	t.Helper()
	if !await.Within(30*time.Second, func() bool { return strings.Contains(out.String(), want) }) {
		t.Fatalf("%q did not come:\n%s", want, out)
	}
}
