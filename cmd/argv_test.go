package cmd

import (
	"reflect"
	"strings"
	"testing"
)

func TestSplitArgs(t *testing.T) {
	for name, tc := range map[string]struct {
		args    string
		options string
		words   string
		pending string
	}{
		"nothing":              {"", "", "", ""},
		"only words":           {"ls -R /", "", "ls -R /", ""},
		"one dash":             {"-server h:1 ls -s /", "--server=h:1", "ls -s /", ""},
		"two dashes":           {"--server h:1 ls /", "--server=h:1", "ls /", ""},
		"equals sign":          {"-server=h:1 --timeout=5 ls", "--server=h:1 --timeout=5", "ls", ""},
		"value with a dash":    {"-server -x ls", "--server=-x", "ls", ""},
		"flag":                 {"-r -waitforconnection ls", "--readonly --waitforconnection", "ls", ""},
		"flag with a value":    {"-readonly=false ls", "--readonly=false", "ls", ""},
		"letter with a value":  {"-o json ls", "--output=json", "ls", ""},
		"letter and value":     {"-ojson ls", "-ojson", "ls", ""},
		"letters":              {"-yv ls", "-yv", "ls", ""},
		"letters, then value":  {"-yo json ls", "-y --output=json", "ls", ""},
		"letters and a value":  {"-yojson ls", "-yojson", "ls", ""},
		"long before letters":  {"-file x", "--file=x", "", ""},
		"end of options":       {"-r -- ls -R", "--readonly", "ls -R", ""},
		"options of a command": {"create -server x", "", "create -server x", ""},
		"value is missing":     {"-r -server", "--readonly", "", "server"},
		"letter's is missing":  {"-yo", "-y", "", "output"},
		"dash is a word":       {"-", "", "-", ""},
		"all of zkCli's":       {"-server h -timeout 5 -r -client-configuration f -waitforconnection get /", "--server=h --timeout=5 --readonly --client-configuration=f --waitforconnection", "get /", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var o options
			got, err := splitArgs(o.flags(), strings.Fields(tc.args))
			if (err != nil) != (tc.pending != "") {
				t.Errorf("error %v", err)
			}
			want := argv{strings.Fields(tc.options), strings.Fields(tc.words), tc.pending}
			if strings.Join(got.options, " ") != tc.options || strings.Join(got.words, " ") != tc.words || got.pending != tc.pending {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if err := o.flags().Parse(got.options); err != nil {
				t.Errorf("pflag does not take %q: %v", got.options, err)
			}
		})
	}
}

func TestUnknownOption(t *testing.T) {
	for arg, want := range map[string]string{
		"-timeot":    "unknown option -timeot; did you mean -timeout?",
		"--serve=x":  "unknown option --serve; did you mean -server?",
		"-x":         "unknown option -x; zkctl --help lists the options",
		"-qz":        "unknown option -qz; zkctl --help",
		"--o":        "unknown option --o; zkctl --help",
		"-wombat=12": "unknown option -wombat; zkctl --help",
	} {
		var o options
		_, err := splitArgs(o.flags(), []string{arg, "ls"})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s…", arg, err, want)
		}
	}
}

func FuzzSplitArgs(f *testing.F) {
	f.Add("-server h:1 -yo json -- ls /")
	f.Fuzz(func(t *testing.T, line string) {
		var o options
		flags := o.flags()
		args := strings.Split(line, " ")
		got, err := splitArgs(flags, args)
		if len(got.words) > 0 && !reflect.DeepEqual(got.words, args[len(args)-len(got.words):]) {
			t.Fatalf("%q: the words %q are not its end", args, got.words)
		}
		if err == nil {
			for _, option := range got.options {
				if !strings.HasPrefix(option, "-") {
					t.Fatalf("%q: the option %q has no dash", args, option)
				}
			}
			_ = flags.Parse(got.options)
			if flags.NArg() > 0 {
				t.Fatalf("%q: pflag takes %q of %q for words", args, flags.Args(), got.options)
			}
		}
	})
}
