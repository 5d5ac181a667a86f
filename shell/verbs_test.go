package shell

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/logformatter"
	"github.com/zkctl/zkctl/snapshot"
)

var testVerbs = []command.Verb{logformatter.Verb, logformatter.LegacyVerb, snapshot.Verb}

const testLog = "../logformatter/testdata/standalone/version-2/log.73"

func TestVerbsInScripts(t *testing.T) {
	for script, want := range map[string]string{
		"TxnLog dump --limit 1 -format json " + testLog: `{"zxid":"0x73",`,
		"txnlog stats " + testLog + " | head -n 1":      "5 transactions in 1 log",
		"logformatter " + testLog:                       "ZooKeeper Transactional Log File",
		"help logformatter":                             "Print a transaction log as LogFormatter",
		"help":                                          "\nOffline\n  txnlog ",
	} {
		opts, out, errOut := offline(script + "\n")
		opts.Verbs = testVerbs
		if err := RunScript(t.Context(), opts, opts.Streams.In, "s.zk"); err != nil || !strings.Contains("\n"+out.String(), "\n"+strings.TrimPrefix(want, "\n")) {
			t.Errorf("%s: %v, %q, %q", script, err, out.String(), errOut.String())
		}
	}
	for script, want := range map[string]string{
		"txnlog dump nowhere": "s.zk:1: read a transaction log",
		"txnlog dump 'no*'":   "no*",
		`txnlog dump C:\n`:    `C:\n`,
	} {
		opts, _, _ := offline(script + "\n")
		opts.Verbs = testVerbs
		if err := RunScript(t.Context(), opts, opts.Streams.In, "s.zk"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// A verb works on the shell's session and completes its znodes.
func TestVerbsUseTheSession(t *testing.T) {
	where := command.Verb{Name: "where", Short: "where it works", Group: command.Offline, New: func(env *command.Env) *cobra.Command {
		return &cobra.Command{Use: "where PATH", ValidArgsFunction: command.Takes(command.Path, 0, 0), RunE: func(_ *cobra.Command, words []string) error {
			_, err := fmt.Fprintln(env.Streams.Out, env.Session.Servers(), env.Dir, words)
			return err
		}}
	}}
	opts, out, _ := offline("where x | cat\n")
	opts.Verbs = []command.Verb{where}
	if err := RunScript(t.Context(), opts, opts.Streams.In, "s.zk"); err != nil || out.String() != "127.0.0.1:1 / [x]\n" {
		t.Errorf("%v, %q", err, out.String())
	}
	c := completions.New(completions.Config{
		Env:  &command.Env{Verbs: opts.Verbs},
		Tree: func() completions.Tree { return oneChild{} },
	})
	if r := c.Complete(t.Context(), "where ap", 8, "/"); len(r.Suggestions) != 1 || r.Suggestions[0].Text != "app" {
		t.Errorf("%+v", r)
	}
	if r := c.Complete(t.Context(), "where app ", 10, "/"); len(r.Suggestions) != 0 {
		t.Errorf("%+v", r)
	}
}

// oneChild is a tree in which each znode has the child app.
type oneChild struct{ completions.Tree }

func (oneChild) Children(context.Context, string, bool) ([]string, proto.Stat, error) {
	return []string{"app"}, proto.Stat{}, nil
}

func (oneChild) Exists(context.Context, string, bool) (proto.Stat, error) { return proto.Stat{}, nil }

func TestVerbsComplete(t *testing.T) {
	c := completions.New(completions.Config{Env: &command.Env{Verbs: testVerbs}})
	for line, want := range map[string][]string{
		"tx":                       {"txnlog"},
		"txnlog du":                {"dump"},
		"txnlog dump --form":       {"--format"},
		"txnlog dump -form":        {"-format"},
		"txnlog dump --format=j":   {"--format=json"},
		"txnlog dump --format log": {"logformatter"},
		"txnlog dump ../logformatter/testdata/stand":   {"../logformatter/testdata/standalone/"},
		"txnlog stats -o ":                             {"text", "json"},
		"snapshot com":                                 {"compare"},
		"logformatter ../logformatter/testdata/ensem":  {"../logformatter/testdata/ensemble/"},
		"txnlog dump --type setd":                      {"setData"},
		"txnlog dump --since ../logformatter/testdata": nil,
	} {
		var got []string
		for _, s := range c.Complete(t.Context(), line, len(line), "/").Suggestions {
			got = append(got, s.Text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
