package cmd

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// imperatives are the first words of short lines.
var imperatives = strings.Fields(`add ask change check clear close collect compare complete connect copy count create cut decode delete edit
	explain find keep kill leave list load look make move open print read reconstruct remove repair replace restart restore resume
	run serve set show start stop suspend turn wait watch write`)

// noExamples are the commands that are only ever called in one way.
var noExamples = strings.Fields("clear close pwd quit redo version")

var shortLine = regexp.MustCompile(`^([a-z]+),? .*[^.]$`)

// Every command says what it does in a short line, and how to call it in examples that can be pasted.
func TestEveryCommandExplainsItself(t *testing.T) {
	for _, c := range commands.All {
		checkShort(t, c.Name, c.Short)
		var examples []string
		for _, e := range c.Examples {
			examples = append(examples, e[0])
		}
		checkExamples(t, c.Name, examples)
	}
	a := newApp(&ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	for _, v := range a.verbs() {
		checkShort(t, v.Name, v.Short)
		each(v.Tree(a.env()), func(c *cobra.Command) {
			name := strings.TrimPrefix(c.CommandPath(), "zkctl ")
			checkShort(t, name, c.Short)
			var examples []string
			for _, line := range strings.Split(c.Example, "\n") {
				if line = strings.TrimPrefix(line, "  "); !strings.HasPrefix(line, "# ") {
					examples = append(examples, line)
				}
			}
			checkExamples(t, name, examples)
			for _, e := range examples {
				if err := parseExample(t, a, e); err != nil {
					t.Errorf("%s: example %q: %v", name, e, err)
				}
			}
			if text := c.Long + c.LocalFlags().FlagUsages(); strings.Contains(text, "[flags]") {
				t.Errorf("%s: %s", name, text)
			}
		})
	}
}

// each calls f for c and the commands below it that help lists.
func each(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			each(sub, f)
		}
	}
}

func checkShort(t *testing.T, name, short string) {
	t.Helper()
	words := shortLine.FindStringSubmatch(short)
	switch {
	case len(short) > 60:
		t.Errorf("%s: the short line has %d columns, more than 60: %s", name, len(short), short)
	case words == nil:
		t.Errorf("%s: the short line %q is not a sentence without a full stop", name, short)
	case !slices.Contains(imperatives, words[1]):
		t.Errorf("%s: the short line %q does not start with one of %v", name, short, imperatives)
	}
}

func checkExamples(t *testing.T, name string, examples []string) {
	t.Helper()
	least := 2
	if slices.Contains(noExamples, name) {
		least = 0
	}
	own := 0
	for _, e := range examples {
		if strings.Contains(e, name) {
			own++
		}
	}
	if own < least {
		t.Errorf("%s: %d examples, want %d", name, own, least)
	}
}

// shellOnly are the parts of an example that only a system shell reads: a command whose output zkctl reads, variables
// before the command, what comes after its own words, and process substitution.
var shellOnly = regexp.MustCompile(`^(?:[^|]* \| )?(?:\w+=\S+ |sudo )*(?:source <\()?zkctl(.*?)(?: \|.*| [<>].*|\))?$`)

// parseExample parses a line as zkctl does, without running it.
func parseExample(t *testing.T, a *app, line string) error {
	parts := shellOnly.FindStringSubmatch(line)
	if parts == nil {
		return errors.New("does not call zkctl")
	}
	tokens, err := command.Lex(parts[1])
	if err != nil {
		return err
	}
	var args []string
	for _, w := range command.Words(tokens) {
		args = append(args, w.Text)
	}
	fs := (&options{}).flags()
	split, err := splitArgs(fs, args)
	if err == nil {
		err = fs.Parse(split.options)
	}
	if err != nil || len(split.words) == 0 {
		return err
	}
	env := a.env()
	v := env.Verb(split.words[0])
	if v == nil {
		_, err := commands.All.Parse(command.Args(split.words...))
		return err
	}
	idle := *v
	idle.New = func(env *command.Env) *cobra.Command {
		c := v.New(env)
		each(c, func(c *cobra.Command) {
			if c.Runnable() {
				c.RunE = func(*cobra.Command, []string) error { return nil }
			}
		})
		return c
	}
	return idle.Run(t.Context(), env, split.words[1:])
}

// TestColorOfVerbs: -color counts for verbs that open no session, and is checked.
func TestColorOfVerbs(t *testing.T) {
	log := writeFile(t, "a.log", "2026-11-22 03:07:05,001 [myid:1] - INFO  [main:ZooKeeperServer@1] - Expiring session 0x10000221ceb0000, timeout of 4000ms exceeded\n"+
		"2026-11-22 03:07:06,001 [myid:1] - ERROR [main:Leader@1] - Severe unrecoverable error\n", 0o600)
	config := writeFile(t, "config.yaml", "profiles:\n  plain: {color: never, frob: x}\n  painted: {color: always}\n  wrong: {color: bogus}\n", 0o600)
	for _, tc := range []struct {
		color, env, profile string
		tty, paint          bool
		exit                int
	}{
		{"", "", "", true, true, 0}, {"never", "", "", true, false, 0}, {"always", "", "", false, true, 0}, {"", "never", "", true, false, 0},
		{"always", "never", "", false, true, 0}, {"bogus", "", "", true, false, 1},
		{"", "", "plain", true, false, 0}, {"", "", "painted", false, true, 0}, {"", "never", "painted", true, false, 0}, {"always", "", "plain", false, true, 0},
		{"", "", "none", true, true, 0}, {"", "", "wrong", true, false, 1},
	} {
		t.Setenv("ZKCTL_COLOR", tc.env)
		t.Setenv("ZKCTL_CONFIG", config)
		t.Setenv("ZKCTL_PROFILE", tc.profile)
		var out, errOut strings.Builder
		args := []string{"log", "timeline", log}
		if tc.color != "" {
			args = append([]string{"-color", tc.color}, args...)
		}
		exit := Execute(t.Context(), args, &ui.Streams{In: strings.NewReader(""), Out: &out, Err: &errOut, Color: tc.tty, Width: 80})
		if exit != tc.exit || strings.Contains(out.String(), "\x1b[31m") != tc.paint || exit != 0 && !strings.Contains(errOut.String(), `"bogus"`) {
			t.Errorf("%+v: exit %d, %q %s", tc, exit, out.String(), errOut.String())
		}
	}
}
