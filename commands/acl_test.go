package commands

import (
	"reflect"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

func TestParseACL(t *testing.T) {
	acl := func(scheme, id string, perms proto.Perms) proto.ACL {
		return proto.ACL{Perms: perms, ID: proto.ID{Scheme: scheme, ID: id}}
	}
	for _, tc := range []struct {
		text string
		want []proto.ACL
		err  string
	}{
		{"world:anyone:cdrwa", proto.OpenACL, ""},
		{"world:anyone:awrdc", proto.OpenACL, ""},
		{"world:anyone:rr", proto.ReadOnlyACL, ""},
		{"auth::cdrwa", proto.CreatorACL, ""},
		{"world:anyone:r,ip:127.0.0.1:cdrwa", []proto.ACL{proto.ReadOnlyACL[0], acl("ip", "127.0.0.1", proto.PermAll)}, ""},
		{"digest:bob:Xn3=:rw", []proto.ACL{acl("digest", "bob:Xn3=", proto.PermRead|proto.PermWrite)}, ""},
		{"ip:::1:r", []proto.ACL{acl("ip", "::1", proto.PermRead)}, ""},
		{`x509:CN=a\,O=b:r,world:anyone:r`, []proto.ACL{acl("x509", "CN=a,O=b", proto.PermRead), proto.ReadOnlyACL[0]}, ""},
		{`sasl:a\\b:r`, []proto.ACL{acl("sasl", `a\b`, proto.PermRead)}, ""},
		{`sasl:a\b:r`, []proto.ACL{acl("sasl", `a\b`, proto.PermRead)}, ""},
		{"bogus", nil, "bogus does not have the form scheme:id:perm; write"},
		{"bogus:xx", nil, "bogus:xx does not have the form"},
		{"world:anyone:r,bogus", nil, "bogus does not have the form scheme:id:perm (entry 2 of 2)"},
		{"auth:cdrwa", nil, "auth::cdrwa"},
		{"world:anyone:z", nil, "Unknown perm type: z in world:anyone:z"},
		{"world:anyone:rR", nil, "Unknown perm type: R"},
		{"world:anyone:é", nil, "Unknown perm type: é"},
		{"world:anyone:", nil, "grants no permission"},
		{":anyone:r", nil, "names no scheme"},
		{"", nil, "empty"},
		{"world:anyone:r,", nil, "empty (entry 2 of 2)"},
	} {
		got, err := ParseACL(tc.text)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("ParseACL(%q): error %v, want one with %q", tc.text, err, tc.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("ParseACL(%q) = %+v, %v; want %+v", tc.text, got, err, tc.want)
		}
	}
}

func TestACLWarnings(t *testing.T) {
	for text, want := range map[string]int{
		"world:anyone:r":      0,
		"digest:bob:secret:r": 1,
		"digest:bob:r":        1,
		"digest:bob:bLqh6cFl5d7MeeFHrUI6NZx9fzQ=:r":   0,
		"digest:a:b:r,digest:c:d:r,world:anyone:cdrw": 2,
	} {
		acls, err := ParseACL(text)
		if err != nil {
			t.Fatal(err)
		}
		warnings := aclWarnings(acls)
		if len(warnings) != want {
			t.Errorf("aclWarnings(%s) = %q, want %d", text, warnings, want)
		}
		if strings.Contains(strings.Join(warnings, ""), "secret") {
			t.Errorf("the warning shows what may be a password: %q", warnings)
		}
	}
}

func FuzzParseACL(f *testing.F) {
	f.Add("world:anyone:cdrwa,auth::r")
	f.Add(`x509:CN=a\,O=b\\:r`)
	f.Fuzz(func(t *testing.T, text string) {
		acls, err := ParseACL(text)
		if err != nil {
			return
		}
		back, err := ParseACL(FormatACL(acls))
		if err != nil || !reflect.DeepEqual(acls, back) {
			t.Fatalf("ParseACL(%q) = %+v, written %q, read back %+v, %v", text, acls, FormatACL(acls), back, err)
		}
	})
}
