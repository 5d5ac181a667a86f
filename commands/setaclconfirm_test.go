package commands

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

func TestIdentities(t *testing.T) {
	who := &identities{
		infos: []proto.ClientInfo{{AuthScheme: "ip", User: "10.1.2.3"}, {AuthScheme: "x509", User: "CN=bob"}, {AuthScheme: "digest", User: "bob"}},
		auths: []client.Auth{{Scheme: "digest", Data: []byte("bob:pw")}},
	}
	for text, want := range map[string]bool{
		"world:anyone:a":       true,
		"world:anyone:cdrw":    false,
		"auth::a":              true,
		"ip:10.1.2.3:a":        true,
		"ip:10.1.2.4:a":        false,
		"ip:10.0.0.0/8:cdrwa":  true,
		"ip:10.2.0.0/16:cdrwa": false,
		"ip:0.0.0.0/0:a":       true,
		"ip:fe80::/10:a":       false,
		"x509:CN=bob:a":        true,
		"x509:CN=ann:a":        false,
		"sasl:bob:a":           false,
		"digest:bob:ikIaKsbtGweaHnb/jKn7OHqbunM=:a":                               true,
		"digest:ann:ikIaKsbtGweaHnb/jKn7OHqbunM=:a":                               false,
		"digest:bob:bLqh6cFl5d7MeeFHrUI6NZx9fzQ=:a":                               false, // of another password
		"digest:bob:qjwaVwDkCrjAb5R9QUXBK/+Ge0S7ESYyNzHo/ni2sjI=:a":               false, // SHA-256 of another
		"digest:bob:EqNBNDt71YVoCWNw1Mj3Gz0EKRk1aBPQ2TqRb5rCRtw=:r,ip:10.1.2.3:a": true,
	} {
		acl, err := command.ParseACL(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := who.admin(acl); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	sum := sha256.Sum256([]byte("bob:pw"))
	if !who.match(proto.ID{Scheme: "digest", ID: "bob:" + base64.StdEncoding.EncodeToString(sum[:])}) {
		t.Error("a digest of SHA-256 is not recognised")
	}
	super := &identities{infos: []proto.ClientInfo{{AuthScheme: "super"}}}
	if !super.admin(proto.ReadOnlyACL) {
		t.Error("super would be locked out")
	}
	v6 := &identities{infos: []proto.ClientInfo{{AuthScheme: "ip", User: "fe80:0:0:0:0:0:0:1"}}}
	if !v6.match(proto.ID{Scheme: "ip", ID: "fe80::1"}) || !v6.match(proto.ID{Scheme: "ip", ID: "fe80::/10"}) {
		t.Error("an address of IPv6 is not recognised")
	}
}
