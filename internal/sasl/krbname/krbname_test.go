package krbname

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]Name{
		"joe":        {Service: "joe"},
		"a/b/c":      {Service: "a/b/c"},
		"":           {},
		"joe@R":      {Service: "joe", Realm: "R", HasRealm: true},
		"joe@":       {Service: "joe", HasRealm: true},
		"zk/h.com@R": {Service: "zk", Host: "h.com", Realm: "R", HasHost: true, HasRealm: true},
		"zk/@R":      {Service: "zk", Realm: "R", HasHost: true, HasRealm: true},
	} {
		if n, err := Parse(s); n != want || err != nil || n.String() != s {
			t.Errorf("%q: %+v, %v", s, n, err)
		}
	}
	for _, s := range []string{"a@b@c", "a/b/c@R", "a@b/c"} {
		if n, err := Parse(s); err == nil {
			t.Errorf("%q: %+v", s, n)
		}
	}
}

// The expected names are those of Apache's KerberosName with the same rules and the default realm R.
func TestShort(t *testing.T) {
	for _, c := range []struct{ rules, name, want string }{ // want is "" for no rule
		{"", "joe@R", "joe"},
		{"", "zk/h@R", "zk"},
		{"", "joe@OTHER", ""},
		{"", "joe", "joe"},
		{"DEFAULT", "a/b", "a/b"},
		{"RULE:[1:$1@$0](.*@OTHER)s/@.*// DEFAULT", "joe@OTHER", "joe"},
		{"RULE:[1:$1@$0](.*@OTHER)s/@.*//DEFAULT", "joe@R", "joe"},
		{"RULE:[2:$1.$2]", "zk/h.com@X", "zk.h.com"},
		{"RULE:[2:$1.$2]", "zk@X", ""},
		{"RULE:[2:$1@$0](zk@X)s/.*/admin/", "zk/h@X", "admin"},
		{"RULE:[1:$1@$0](zk)s/.*/admin/", "zk@X", ""},
		{"RULE:[1:$1](a+)s/a/b/", "aaa@X", "baa"},
		{"RULE:[1:$1](a+)s/a/b/g", "aaa@X", "bbb"},
		{"RULE:[1:$1]s/(j)(o)/$2$1/", "joe@X", "oje"},
		{`RULE:[1:$1]s/j/\$/`, "joe@X", "$oe"},
		{"RULE:[1:$1]s/(j)/$10/", "joe@X", "j0oe"},
		{"RULE:[1:$1]s/j/$3/", "joe@X", ""},
		{"RULE:[1:$1@$0]", "joe@X", ""},
		{"RULE:[1:$2]", "joe@X", ""},
		{"RULE:[1:$]", "joe@X", ""},
		{"RULE:[1:x$1y](xjoey)", "joe@X", "xjoey"},
	} {
		rules, err := ParseRules(c.rules, "R")
		if err != nil {
			t.Errorf("%q: %v", c.rules, err)
			continue
		}
		n, err := Parse(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := rules.Short(n); got != c.want || c.want == "" != errors.Is(err, ErrNoRule) {
			t.Errorf("%q of %s: %q, %v; want %q", c.rules, c.name, got, err, c.want)
		}
	}
}

func TestBadRules(t *testing.T) {
	for text, say := range map[string]string{
		"NONE":                `"NONE"`,
		"DEFAULT RULE:[1]":    `"RULE:[1]"`,
		"RULE:[:$1]":          "not a number",
		"RULE:[1:$1](a(?=b))": "regular expression", // the match ends at the first parenthesis
		"RULE:[1:$1]([a":      "[a",
		"RULE:[1:$1](*)":      "regular expression",
		"RULE:[1:$1]s/a/b":    "s/a/b",
		"RULE:[1:$1]s/(/b/":   "regular expression",
	} {
		if _, err := ParseRules(text, "R"); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add("RULE:[1:$1@$0](.*@OTHER)s/@.*//g DEFAULT", "zk/h@R")
	f.Add(`RULE:[2:$1$2]s/(a)/\$1/`, "a/b@R")
	f.Fuzz(func(t *testing.T, text, name string) {
		n, err := Parse(name)
		if err != nil {
			return
		}
		if rules, err := ParseRules(text, "R"); err == nil {
			if short, err := rules.Short(n); err == nil && n.HasRealm && strings.ContainsAny(short, "/@") {
				t.Errorf("%q of %q is not simple: %q", text, name, short)
			}
		}
	})
}
