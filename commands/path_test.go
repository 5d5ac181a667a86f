package commands

import (
	"errors"
	"testing"
)

func TestResolve(t *testing.T) {
	for _, tc := range []struct{ dir, name, want string }{
		{"/", "/a", "/a"},
		{"/app", "/a/../b", "/a/../b"}, // the server's path rules apply
		{"/app", "/a/", "/a/"},
		{"/app", "b", "/app/b"},
		{"/app", "b/c", "/app/b/c"},
		{"/app", ".", "/app"},
		{"/app", "./b", "/app/b"},
		{"/app", "..", "/"},
		{"/app/x", "../y", "/app/y"},
		{"/app", "../../..", "/"},
		{"/app", "b/", "/app/b/"},
		{"/app", "./", "/app"},
		{"/app", "../", "/"},
		{"/", "./a", "/a"},
		{"", "./a", "/a"},
		{"/app", "..b", "/app/..b"},
	} {
		if got, err := Resolve(tc.dir, tc.name); got != tc.want || err != nil {
			t.Errorf("Resolve(%q, %q) = %q, %v; want %q", tc.dir, tc.name, got, err, tc.want)
		}
	}
	if _, err := Resolve("/", "a"); !errors.Is(err, ErrPathNotAbsolute) {
		t.Errorf("a bare name at the root: %v", err)
	}
	if _, err := Resolve("/app", ""); err == nil {
		t.Error("an empty path is resolved")
	}
}

func TestWordsKeepQuotedGlobs(t *testing.T) {
	for line, want := range map[string]struct {
		plain string
		glob  bool
	}{
		`/a/*`:       {"/a/*", true},
		`'/a/*'`:     {"/a/*", false},
		`/a/\*`:      {"/a/*", false},
		`/a/n?`:      {"/a/n?", true},
		`"/a/[b]"`:   {"/a/[b]", false},
		"'a\x00b*'":  {"a\x00b*", false},
		`'{"k":"\"'`: {`{"k":"\"`, false},
	} {
		tokens, err := Lex(line)
		if err != nil {
			t.Fatal(err)
		}
		words := Words(tokens)
		if len(words) != 1 || plain(words[0]) != want.plain || isGlob(words[0]) != want.glob {
			t.Errorf("%s: words %q, plain %q, glob %v", line, words, plain(words[0]), isGlob(words[0]))
		}
	}
}
