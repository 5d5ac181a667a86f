package jaas

import (
	"maps"
	"strings"
	"testing"
)

// What is written can be read again.
func TestWrite(t *testing.T) {
	users := map[string]string{"bob": "secret", `o"b\c`: `p"w\n`, "größe ü": "{};=//x", "a/b@C": "'", "$x": "$1 {y}", "/*": "*/"}
	server, err := ServerText("Server", users)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ClientText("Client", `o"b\c`, `p"w\n`)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse("x", []byte(server+client), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, server+client)
	}
	if s, err := f.Section("Server"); err != nil || !maps.Equal(s.Users(), users) {
		t.Errorf("%v, %v", s, err)
	}
	s, err := f.Section("Client")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := s.Modules[0].Digest(); err != nil || d != (Digest{`o"b\c`, `p"w\n`}) {
		t.Errorf("%+v, %v", d, err)
	}
	for _, bad := range []string{"a\nb", "a\x00", "\xff", "${user.home}", ""} {
		if _, err := ServerText("Server", map[string]string{"bob": bad}); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the password %q: %v", bad, err)
		}
		if _, err := ServerText("Server", map[string]string{bad: "x"}); err == nil {
			t.Errorf("the user %q", bad)
		}
	}
}
