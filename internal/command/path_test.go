package command

import "testing"

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
		{"/", "a", "/a"},
		{"", "a/b", "/a/b"},
		{"/", "a/", "/a/"},
	} {
		if got, err := Resolve(tc.dir, tc.name); got != tc.want || err != nil {
			t.Errorf("Resolve(%q, %q) = %q, %v; want %q", tc.dir, tc.name, got, err, tc.want)
		}
	}
	if _, err := Resolve("/app", ""); err == nil {
		t.Error("an empty path is resolved")
	}
}

func TestPatternOfAWord(t *testing.T) {
	list := Set{{Name: "ls", Args: []Arg{{Name: "path", Kind: Path}}}}
	for _, tc := range []struct{ dir, word, path, pattern string }{
		{"/", `/a/*`, "/a/*", "/a/*"},
		{"/", `'/a/*'`, "/a/*", ""},
		{"/", `"/a/[b]"`, "/a/[b]", ""},
		{"/", `/a/\*`, `/a/\*`, `/a/\\*`},
		{"/", `/a/b`, "/a/b", ""},
		{"/a*", `x?`, "/a*/x?", `/a\*/x?`},
		{"/a*", `../x?`, "/x?", "/x?"},
		{"/a*", `x`, "/a*/x", ""},
		{"/", `/a/`, "/a", ""},
		{"/", `/a//`, "/a/", ""}, // which the server's path rules refuse
		{"/", `/`, "/", ""},
		{"/", `/a/*/`, "/a/*", "/a/*"},
		{"/", `b*`, "/b*", "/b*"},
	} {
		tokens, err := Lex("ls " + tc.word)
		if err != nil {
			t.Fatal(err)
		}
		in, err := list.Parse(Words(tokens))
		if err == nil {
			err = in.Resolve(tc.dir)
		}
		if err != nil || in.Args[0] != tc.path || in.patterns[0] != tc.pattern {
			t.Errorf("%s in %s: %+v, %v; want path %s, pattern %q", tc.word, tc.dir, in, err, tc.path, tc.pattern)
		}
	}
}
