package supervise

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "server.out")
	r := &rotated{path: path, limit: 100, keep: 2, fault: func(err error) { t.Error(err) }}
	for i := range 100 {
		fmt.Fprintf(r, "line %02d of the server\n", i)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	// A file ends with the line that passes the limit: five of them.
	for name, lines := range map[string][]int{"": {}, ".1": {95, 96, 97, 98, 99}, ".2": {90, 91, 92, 93, 94}} {
		var want strings.Builder
		for _, i := range lines {
			fmt.Fprintf(&want, "line %02d of the server\n", i)
		}
		text, err := os.ReadFile(path + name)
		if err != nil && name != "" || string(text) != want.String() {
			t.Errorf("%q: %q, %v", name, text, err)
		}
	}
	if names, _ := filepath.Glob(path + "*"); len(names) > 3 {
		t.Errorf("files %v", names)
	}
}

// TestRotateBound: the files have a bound whatever is written, and another run goes on with the file of the first.
func TestRotateBound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.out")
	for name, chunk := range map[string][]byte{
		"no line ends": bytes.Repeat([]byte("x"), 10<<10), "one write of many lines": bytes.Repeat([]byte("line\n"), 100<<10), "empty lines": bytes.Repeat([]byte("\n"), 3000),
	} {
		for range 3 {
			r := &rotated{path: path, limit: 4 << 10, keep: 3, fault: func(err error) { t.Error(name, err) }}
			for range 30 {
				if n, err := r.Write(chunk); n != len(chunk) || err != nil {
					t.Fatal(n, err)
				}
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
		names, _ := filepath.Glob(path + "*")
		if len(names) > 4 {
			t.Errorf("%s: files %v", name, names)
		}
		for _, name := range names {
			if info, err := os.Stat(name); err != nil || info.Size() > 4<<10+maxLine+int64(len(chunk)) {
				t.Errorf("%s: %d bytes, %v", name, info.Size(), err)
			}
		}
	}
}

// TestRotateWithoutRoom: what cannot be kept is dropped, and said once; afterwards it is kept again.
func TestRotateWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log", "server.out")
	if err := os.WriteFile(filepath.Join(dir, "log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	faults := 0
	r := &rotated{path: path, limit: 100, keep: 1, fault: func(error) { faults++ }}
	for range 3 {
		if n, err := r.Write([]byte("lost\n")); n != 5 || err != nil {
			t.Fatal(n, err)
		}
	}
	if faults != 1 {
		t.Errorf("it was said %d times", faults)
	}
	if err := os.Remove(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	_, _ = r.Write([]byte("kept\n"))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "kept\n" {
		t.Errorf("%q, %v", text, err)
	}
}
