package shell

import (
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/verb"
	"github.com/zkctl/zkctl/logformatter"
	"github.com/zkctl/zkctl/snapshot"
)

var testVerbs = []verb.Constructor{logformatter.NewCommand, logformatter.NewLegacyCommand, snapshot.NewCommand}

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

func TestVerbsComplete(t *testing.T) {
	c := completions.New(completions.Config{Verbs: completedVerbs(testVerbs)})
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
