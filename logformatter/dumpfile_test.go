package logformatter

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// longLog writes a log of several pieces, and returns where its entries start.
func longLog(t *testing.T) (path string, entries []int64) {
	t.Helper()
	dir := t.TempDir()
	w := storage.NewLogWriter(dir, storage.LogOptions{Preallocate: -1})
	for n := range 5000 {
		err := w.Append(&proto.TxnEntry{
			Header: proto.TxnHeader{ClientID: 1, Zxid: int64(n + 1), Type: proto.OpSetData},
			Body:   &proto.SetDataTxn{Path: fmt.Sprintf("/znode-%04d", n), Data: bytes.Repeat([]byte{'x'}, n%600)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "log.1")
	err := eachEntry(path, func(_ *storage.LogReader, e *storage.Entry) error {
		entries = append(entries, e.Offset)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return path, entries
}

// TestDumpOnSeveralProcessors wants the same text, in the same order as what is said about damage, however many
// goroutines format it.
func TestDumpOnSeveralProcessors(t *testing.T) {
	path, entries := longLog(t)
	intact, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := entries[3000]
	head, next := at+12, entries[3001]
	for name, test := range map[string]struct {
		damage func(log []byte)
		args   []string
		says   string
	}{
		"intact":           {func([]byte) {}, nil, "EOF reached after 5000 txns."},
		"filter":           {func([]byte) {}, []string{"--zxid", "2000..4500"}, "5000 txns, 2501 of them shown"},
		"limit":            {func([]byte) {}, []string{"--limit", "4200"}, "/znode-4199,"},
		"tail":             {func([]byte) {}, []string{"--tail", "3"}, "/znode-4999,"},
		"checksum":         {func(log []byte) { log[next-2] ^= 1 }, nil, "CRC ERROR"},
		"checksum, strict": {func(log []byte) { log[next-2] ^= 1 }, []string{"--format", "logformatter"}, "but should be"},
		"record":           {func(log []byte) { log[head+31] = 99 }, nil, "0xbb9"},
		"last byte":        {func(log []byte) { log[next-1] = 0x77 }, nil, "last byte is 0x77"},
		"length":           {func(log []byte) { log[at+8] = 0x80 }, nil, "is negative"},
	} {
		t.Run(name, func(t *testing.T) {
			log := bytes.Clone(intact)
			test.damage(log)
			if err := os.WriteFile(path, log, 0o600); err != nil {
				t.Fatal(err)
			}
			run := func(processors int) string {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
				var both bytes.Buffer
				c := newCommand(streams("", &both, &both))
				c.SetArgs(append([]string{"dump", path}, test.args...))
				err := c.Execute()
				return both.String() + fmt.Sprintln(err)
			}
			want := run(1)
			if !strings.Contains(want, test.says) {
				t.Fatalf("no %q in the last of:\n%s", test.says, want[max(0, len(want)-300):])
			}
			for range 3 {
				sameText(t, run(4), want)
			}
		})
	}
}

// full fails once its room is used up.
type full struct{ room, failed int }

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		f.failed++
		return 0, errFull
	}
	return len(p), nil
}

func TestDumpStopsIfItCannotWrite(t *testing.T) {
	path, _ := longLog(t)
	out := &full{room: 600 << 10}
	c := newCommand(streams("", out, &bytes.Buffer{}))
	c.SetArgs([]string{"dump", path})
	if err := c.Execute(); !errors.Is(err, errFull) || out.failed != 1 {
		t.Errorf("dump ends with %v after %d failures", err, out.failed)
	}
}
