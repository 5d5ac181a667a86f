package logs

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestOptionsThatCannotCount: what would be ignored silently is an error.
func TestOptionsThatCannotCount(t *testing.T) {
	dir := t.TempDir()
	log := writeFile(t, dir, "a.log", server(9, "Expiring session "+traced+", timeout of 6000ms exceeded"))
	t.Chdir(dir)
	for _, test := range []struct {
		args []string
		want string // "" if it is fine
	}{
		{[]string{"timeline", "--tz", "z.log=+08:00", log}, `--tz: "z.log" is none of the logs`},
		{[]string{"timeline", "--dates", "z.log=dmy", log}, `--dates: "z.log" is none of the logs`},
		{[]string{"timeline", "--tz", "." + string(filepath.Separator) + "a.log=+08:00", log}, ""},
		{[]string{"timeline", "--tz", log + "=+08:00", "a.log"}, ""},
		{[]string{"timeline", "--tz", dir + "=+08:00", "a.log"}, ""},
		{[]string{"timeline", "--since", "2024-06-26", "--until", "2024-06-25", log}, "exchange them"},
		{[]string{"grep", "(", log}, `invalid regular expression "(": missing closing )`},
	} {
		got := run(t, "", test.args...)
		if test.want == "" && got.exit != 0 || test.want != "" && (got.exit != 1 || !strings.Contains(got.err, test.want)) {
			t.Errorf("%v: %+v", test.args, got)
		}
	}
}
