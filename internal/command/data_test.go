package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/ui"
)

func TestDataArg(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "data")
	if err := os.WriteFile(file, []byte("from\nfile\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ arg, want, err string }{
		{"text", "text", ""},
		{"", "", ""},
		{"-", "from stdin", ""},
		{"-5", "-5", ""},
		{"@" + file, "from\nfile\n", ""},
		{"@" + empty, "", ""},
		{"@@text", "@text", ""},
		{"@@", "@", ""},
		{"a@b", "a@b", ""},
		{"@", "", "missing file name"},
		{"@" + dir, "", "is a directory"},
		{"@" + file + "x", "", "no such file"},
	} {
		env := &Env{Streams: &ui.Streams{In: strings.NewReader("from stdin")}}
		got, err := env.Data(t.Context(), tc.arg)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("Data(%q): error %v, want one with %q", tc.arg, err, tc.err)
			}
		} else if err != nil || got == nil || string(got) != tc.want {
			t.Errorf("Data(%q) = %q, %v; want %q", tc.arg, got, err, tc.want)
		}
	}
}
