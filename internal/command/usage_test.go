package command

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
)

func TestVerbUsageErrors(t *testing.T) {
	v := Verb{Name: "copy", Short: "copy it", New: func(*Env) *cobra.Command {
		c := &cobra.Command{Use: "copy FILE [TO]", Args: ArgCount(1, 2), RunE: func(*cobra.Command, []string) error { return nil }}
		c.Flags().IntP("depth", "d", 1, "how `n` deep")
		c.Flags().Duration("timeout", time.Second, "most `time`")
		c.Flags().Int64("most", 0, "most `n`")
		c.Flags().Float64("rate", 0, "`rate`")
		c.Flags().Bool("dry-run", false, "only show what would happen")
		return c
	}}
	for line, want := range map[string]string{
		"":                                     "missing FILE; usage: zkctl copy FILE [TO] [options]",
		"x y":                                  "",
		"x y z":                                `unexpected argument "z"; usage: zkctl copy FILE [TO] [options]`,
		"x --depth":                            "--depth needs a value: --depth n",
		"x -d":                                 "--depth needs a value: --depth n",
		"x --depth=deep":                       `--depth: invalid value "deep"; use a whole number`,
		"x -depth 99999999999999999999":        `--depth: invalid value "99999999999999999999"; the number is too large`,
		"x --most many":                        `--most: invalid value "many"; use a whole number`,
		"x --most 99999999999999999999":        `--most: invalid value "99999999999999999999"; the number is too large`,
		"x --rate slow":                        `--rate: invalid value "slow"; use a number`,
		"x --timeout soon":                     `--timeout: invalid value "soon"; use a number with a unit, such as 500ms, 10s or 5m`,
		"x --dry-run=perhaps":                  `--dry-run: invalid value "perhaps"; use true or false`,
		"x --=1":                               "invalid option --; write --name=value",
		"x --dry-rum":                          "unknown option --dry-rum; did you mean --dry-run?",
		"x --frobnicate":                       "unknown option --frobnicate; zkctl copy --help lists the options",
		"x --timeout 99999999999999999999999h": `--timeout: invalid value "99999999999999999999999h"; use a number with a unit, such as 500ms, 10s or 5m`,
	} {
		err := v.Run(t.Context(), &Env{Streams: &ui.Streams{Out: io.Discard, Err: io.Discard}}, strings.Fields(line))
		if got := errorText(err); got != want {
			t.Errorf("copy %s: %q, want %q", line, got, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestRequired: what is in brackets is not missing, however many words it has.
func TestRequired(t *testing.T) {
	for use, want := range map[string][]string{
		"dump [-d|-json] FILE":                   {"FILE"},
		"at DIR [--zxid ZXID | --time TIME] [x]": {"DIR"},
		"restart [NAME [MEMBER...]]":             nil,
		"stats FILE|DIR...":                      {"FILE|DIR..."},
	} {
		if got := required(use); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", use, got, want)
		}
	}
}
