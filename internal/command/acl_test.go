package command

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
		{"digest:bob:bLqh6cFl5d7MeeFHrUI6NZx9fzQ=:rw", []proto.ACL{acl("digest", "bob:bLqh6cFl5d7MeeFHrUI6NZx9fzQ=", proto.PermRead|proto.PermWrite)}, ""},
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
		{"world:anyone:r,", nil, "empty ACL entry (entry 2 of 2)"},
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

// A digest that is no hash makes an entry that matches nobody.
func TestParseACLDigest(t *testing.T) {
	for text, want := range map[string]string{
		"digest:bob:secret:r":                                       "the digest of user bob is not the base64 of a hash",
		"digest:bob:r":                                              "the digest of user bob is not the base64 of a hash",
		"digest:bob:Xn3=:rw":                                        "addauth digest bob:password, then the ACL auth::rw",
		"world:anyone:cdrwa,digest:c:secret:r":                      "user c is not the base64 of a hash, so no password would match it and nobody could use the znode through it; to mean your own identity: addauth digest c:password, then the ACL auth::r (entry 2 of 2)",
		"digest:bob:bLqh6cFl5d7MeeFHrUI6NZx9fzQ=:r":                 "",
		"digest:bob:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:r": "", // SHA-256
		"digest:bob:1B2M2Y8AsgTpgAmY7PhCfg==:r,digest:a:bLqh6cFl5d7MeeFHrUI6NZx9fzQ=:a": "",
	} {
		_, err := ParseACL(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("ParseACL(%q): %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows what may be a password: %q", err)
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
