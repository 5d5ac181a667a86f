package replica

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

func TestAuthenticate(t *testing.T) {
	a := &authSchemes{superDigests: []string{"super:D/InIHSb7yEEbrWz8b9l71RjZJU="}, x509: true, x509SuperUser: "CN=root"} // super:test
	for _, c := range []struct {
		scheme, data, subject string
		want                  []proto.ID // besides the address; nil for a failure
	}{
		{scheme: "digest", data: "bob:secret", want: []proto.ID{{Scheme: "digest", ID: "bob:fyVmFCwVbTJYrznoSu1koqYEYF0="}}},
		{scheme: "digest", data: "nocolon", want: []proto.ID{{Scheme: "digest", ID: "nocolon:Ra+cHr2ZoHvBjtNArFGNGlVie4g="}}},
		{scheme: "digest", data: "super:test", want: []proto.ID{{Scheme: "super"}, {Scheme: "digest", ID: "super:D/InIHSb7yEEbrWz8b9l71RjZJU="}}},
		{scheme: "ip", want: []proto.ID{}},
		{scheme: "x509"},
		{scheme: "x509", subject: "CN=a,O=b", want: []proto.ID{{Scheme: "x509", ID: "CN=a,O=b"}}},
		{scheme: "x509", subject: "CN=root", want: []proto.ID{{Scheme: "super", ID: "CN=root"}, {Scheme: "x509", ID: "CN=root"}}},
		{scheme: "sasl"}, {scheme: "world"}, {scheme: "auth"}, {scheme: "super"}, {scheme: ""},
	} {
		local := proto.ID{Scheme: "ip", ID: "127.0.0.1"}
		ids, ok := a.authenticate([]proto.ID{local}, c.scheme, []byte(c.data), "127.0.0.1", c.subject)
		if ok != (c.want != nil) || len(ids) != 1+len(c.want) || !slices.Contains(ids, local) {
			t.Errorf("%v: %v, %v", c, ids, ok)
		}
		for _, id := range c.want {
			if !slices.Contains(ids, id) {
				t.Errorf("%v: %v", c, ids)
			}
		}
	}
	if _, ok := a.authenticate(nil, "digest", nil, "", ""); ok {
		t.Error("null was taken for a password")
	}
	a.noDigest = true
	if _, ok := a.authenticate(nil, "digest", []byte("a:b"), "", ""); ok {
		t.Error("digest is off")
	}
}

func TestDigestAlgorithms(t *testing.T) {
	for alg, want := range map[string]string{
		"": "a:3OptnM09ILoVSfbZtd3mB0IViII=", "sha-256": "a:Z4OjHqv2jMwGYPk1wIJigr3SJB86gKny0Q1Zrqnrtdg=", "MD5": "a:2BYMmz3CDU6TGutPRSYhVQ==", "CRC": "",
	} {
		a := &authSchemes{digestAlg: alg}
		if got, err := a.digest("a:b"); got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %s, %v", alg, got, err)
		}
	}
}

// The order was seen in a ConcurrentHashMap of ids.
func TestOrderOfIDs(t *testing.T) {
	var ids []proto.ID
	text := func() string {
		var b strings.Builder
		for _, id := range ids {
			b.WriteString(id.Scheme + ":" + id.ID + " ")
		}
		return strings.TrimSpace(b.String())
	}
	for _, c := range [][2]string{
		{"ip:127.0.0.1", "ip:127.0.0.1"},
		{"digest:bob:xyz=", "digest:bob:xyz= ip:127.0.0.1"},
		{"digest:alice:abc=", "digest:alice:abc= digest:bob:xyz= ip:127.0.0.1"},
		{"super:", "digest:alice:abc= super: digest:bob:xyz= ip:127.0.0.1"},
		{"x509:CN=a", "digest:alice:abc= super: digest:bob:xyz= x509:CN=a ip:127.0.0.1"},
		{"digest:carol:1=", "digest:alice:abc= super: digest:bob:xyz= digest:carol:1= x509:CN=a ip:127.0.0.1"},
		{"digest:dave:2=", "digest:alice:abc= digest:dave:2= super: digest:bob:xyz= digest:carol:1= x509:CN=a ip:127.0.0.1"},
		{"sasl:joe", "digest:alice:abc= digest:dave:2= super: digest:bob:xyz= digest:carol:1= x509:CN=a sasl:joe ip:127.0.0.1"},
		{"ip:127.0.0.1", "digest:alice:abc= digest:dave:2= super: digest:bob:xyz= digest:carol:1= x509:CN=a sasl:joe ip:127.0.0.1"},
	} {
		scheme, id, _ := strings.Cut(c[0], ":")
		if ids = addID(ids, proto.ID{Scheme: scheme, ID: id}); text() != c[1] {
			t.Errorf("after %s: %s", c[0], text())
		}
	}
	for i := range 8 {
		ids = addID(ids, proto.ID{Scheme: "digest", ID: "u" + string(rune('0'+i)) + ":p"})
	}
	if text() != "digest:alice:abc= digest:bob:xyz= digest:u3:p x509:CN=a digest:u2:p sasl:joe digest:u5:p digest:u4:p ip:127.0.0.1 digest:u7:p digest:u6:p digest:dave:2= digest:u1:p super: digest:u0:p digest:carol:1=" {
		t.Error(text())
	}
}

func TestValidIDs(t *testing.T) {
	a := &authSchemes{x509: true}
	for scheme, list := range map[string]map[string]bool{
		"digest": {"a:b": true, ":b": true, "a:b:": true, "a:b::": true, "a:": false, "a": false, "": false, ":": false, "a:b:c": false},
		"ip": {"1.2.3.4": true, "1.2.3.4/8": true, "1.2.3.4/0": true, "1.2.3.4/32": true, "+1.02.3.4": true, "1.2.3.4/+8": true,
			"1.2.3.4/33": false, "1.2.3.4/-1": false, "1.2.3.4/": false, "1.2.3": false, "1.2.3.4.": false, "256.2.3.4": false,
			"a.2.3.4": false, "": false, "::1": false, "fe80::1/64": false, "1.2.3.4/8/8": false, "localhost": false},
		"world": {"anybody": false, "": false}, "auth": {"": false}, "super": {"": false}, "sasl": {"joe": false}, "": {"": false},
	} {
		for id, want := range list {
			if a.valid(proto.ID{Scheme: scheme, ID: id}) != want {
				t.Errorf("%s:%s valid is not %v", scheme, id, want)
			}
		}
	}
	a.sasl = true
	for id, want := range map[string]bool{"joe": true, "": true, "a/b/c": true, "joe@R": true, "joe/h@R": true, "a/b/c@R": false, "a@b@c": false, "a@b/c": false} {
		if a.valid(proto.ID{Scheme: "sasl", ID: id}) != want {
			t.Errorf("sasl:%s valid is not %v", id, want)
		}
	}
}

func acl(perms proto.Perms, scheme, id string) proto.ACL {
	return proto.ACL{Perms: perms, ID: proto.ID{Scheme: scheme, ID: id}}
}

func TestCheckACL(t *testing.T) {
	const all, read, write = proto.PermAll, proto.PermRead, proto.PermWrite
	for name, c := range map[string]struct {
		list []proto.ACL
		ids  string
		want bool
	}{
		"none":                 {nil, "", true},
		"everybody":            {[]proto.ACL{acl(read, "world", "anyone")}, "", true},
		"another permission":   {[]proto.ACL{acl(write, "world", "anyone")}, "", false},
		"the second entry":     {[]proto.ACL{acl(write, "world", "anyone"), acl(all, "digest", "a:x")}, "digest:a:x", true},
		"somebody else":        {[]proto.ACL{acl(all, "digest", "a:x")}, "digest:b:x", false},
		"another scheme":       {[]proto.ACL{acl(all, "digest", "CN=a")}, "x509:CN=a", false},
		"super":                {[]proto.ACL{acl(0, "digest", "a:x")}, "super:", true},
		"x509":                 {[]proto.ACL{acl(read, "x509", "CN=a")}, "x509:CN=a", true},
		"the super user":       {[]proto.ACL{acl(read, "x509", "CN=a")}, "x509:CN=root", true},
		"not of digests":       {[]proto.ACL{acl(read, "digest", "a:x")}, "x509:CN=root", false},
		"a scheme unknown":     {[]proto.ACL{acl(read, "sasl", "joe")}, "sasl:joe", false},
		"an address":           {[]proto.ACL{acl(read, "ip", "10.1.2.3")}, "ip:10.1.2.3", true},
		"a mask":               {[]proto.ACL{acl(read, "ip", "10.1.2.3/16")}, "ip:10.1.9.9", true},
		"beyond a mask":        {[]proto.ACL{acl(read, "ip", "10.1.2.3/16")}, "ip:10.2.2.3", false},
		"a mask inside a byte": {[]proto.ACL{acl(read, "ip", "10.1.128.0/17")}, "ip:10.1.127.1", false},
		"the mask of all":      {[]proto.ACL{acl(read, "ip", "10.1.2.3/0")}, "ip:1.1.1.1", true},
		"IPv6":                 {[]proto.ACL{acl(read, "ip", "0:0:0:0:0:0:0:1")}, "ip:0:0:0:0:0:0:0:1", false},
		"a bad mask":           {[]proto.ACL{acl(read, "ip", "10.1.2.3/99")}, "ip:10.1.2.3", false},
	} {
		a := &authSchemes{x509: true, x509SuperUser: "CN=root"}
		var ids []proto.ID
		if scheme, id, ok := strings.Cut(c.ids, ":"); ok {
			ids = append(ids, proto.ID{Scheme: scheme, ID: id})
		}
		if got := a.checkACL(&ztree.ACL{List: c.list}, proto.PermRead, ids); got != map[bool]proto.Error{true: 0, false: proto.ErrNoAuth}[c.want] {
			t.Errorf("%s: %v", name, got)
		}
		a.skipACL = true
		if a.checkACL(&ztree.ACL{List: c.list}, proto.PermRead, ids) != 0 {
			t.Errorf("%s: ACLs are skipped", name)
		}
	}
}

func TestFixupACL(t *testing.T) {
	a := &authSchemes{}
	open := proto.OpenACL[0]
	bob := proto.ID{Scheme: "digest", ID: "bob:x"}
	eve := proto.ID{Scheme: "digest", ID: "eve:x"}
	local := proto.ID{Scheme: "ip", ID: "127.0.0.1"}
	auth := proto.ACL{Perms: proto.PermRead, ID: proto.ID{Scheme: "auth", ID: "whatever"}}
	for name, c := range map[string]struct {
		list []proto.ACL
		ids  []proto.ID
		want []proto.ACL // nil if invalid
	}{
		"none":            {nil, nil, nil},
		"twice":           {[]proto.ACL{open, {Perms: proto.PermRead, ID: open.ID}, open}, nil, []proto.ACL{open, {Perms: proto.PermRead, ID: open.ID}}},
		"auth":            {[]proto.ACL{auth, open}, []proto.ID{local, bob, eve}, []proto.ACL{{Perms: proto.PermRead, ID: bob}, {Perms: proto.PermRead, ID: eve}, open}},
		"auth of nobody":  {[]proto.ACL{open, auth}, []proto.ID{local}, nil},
		"auth of super":   {[]proto.ACL{auth}, []proto.ID{{Scheme: "super"}}, nil},
		"an invalid one":  {[]proto.ACL{open, {Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: "bob"}}}, nil, nil},
		"no such scheme":  {[]proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "sasl", ID: "bob"}}}, nil, nil},
		"world of others": {[]proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "world", ID: "x"}}}, nil, nil},
		// Duplicates are removed before auth is expanded, not after.
		"auth and the same": {[]proto.ACL{auth, {Perms: proto.PermRead, ID: bob}}, []proto.ID{bob}, []proto.ACL{{Perms: proto.PermRead, ID: bob}, {Perms: proto.PermRead, ID: bob}}},
	} {
		got, err := a.fixupACL(c.list, c.ids)
		if !slices.Equal(got, c.want) || (err == proto.ErrInvalidACL) != (c.want == nil) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestClientInfos(t *testing.T) {
	a := &authSchemes{x509: true}
	got := a.clientInfos([]proto.ID{{Scheme: "ip", ID: "127.0.0.1"}, {Scheme: "digest", ID: "bob:x="}, {Scheme: "super"}, {Scheme: "x509", ID: "CN=a"}, {Scheme: "sasl", ID: "joe"}})
	want := []proto.ClientInfo{{AuthScheme: "ip", User: "127.0.0.1"}, {AuthScheme: "digest", User: "bob"}, {AuthScheme: "super"}, {AuthScheme: "x509", User: "CN=a"}, {AuthScheme: "sasl"}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// The encodings and names are those of Java's X500Principal.
func TestX500Names(t *testing.T) {
	for der, want := range map[string]string{
		"3025310b3009060355040613025553310a3008060355040a130162310a30080603550403130161":                                       `CN=a,O=b,C=US`,
		"3022310a3008060355040a1301623114300806035504031301613008060355040b130163":                                             `CN=a+OU=c,O=b`,
		"3020310a3008060355040313017a3112301006092a864886f70d0109011603784079":                                                 `1.2.840.113549.1.9.1=#1603784079,CN=z`,
		"3016311430120603550403130b6c6561642c20747261696c":                                                                     `CN=lead\, trail`,
		"30163114301206035504030c0b613d6223633c643e3b5c22":                                                                     `CN=a\=b\#c\<d\>\;\\\"`,
		"302931133011060a0992268993f22c6401191603636f6d31123010060a0992268993f22c64011916026578":                               `DC=ex,DC=com`,
		"3038310b3009060355040813027374310a3008060355040713016c310a300806035504091301733111300f060a0992268993f22c640101130175": `UID=u,STREET=s,L=l,ST=st`,
		"3028310e300c06035504030c05c3a9e4b8ad310a3008060355040c130174310a30080603550405130137":                                 `2.5.4.5=#130137,2.5.4.12=#130174,CN=é中`,
		"300e310c300a06032a0304130376616c":                                                                                     `1.2.3.4=#130376616c`,
		"300e310c300a06035504031303206120":                                                                                     `CN=\ a\ `,
		"3000":                                                                                                                 "", "30": "", "": "",
	} {
		b, err := hex.DecodeString(der)
		if err != nil {
			t.Fatal(err)
		}
		if got := x500Name(b); got != want {
			t.Errorf("%s is %s, not %s", der, got, want)
		}
	}
	for name, want := range map[string]bool{
		"": true, "CN=a": true, "cn=a": true, "CN=a,O=b": true, "CN=a;O=b": true, "CN=a+OU=c,O=b": true, "CN": false, "CN=": true, "=a": false,
		"a": false, "XX=a": false, "1.2.3=a": true, "OID.1.2.3=a": true, "oid.1.2.3=a": true, "1.2.x=a": false, "CN=a,": false, ",CN=a": false,
		"CN=a,,O=b": false, `CN="a,b"`: true, `CN="a,b`: false, `CN=a\,b`: true, `CN=a\`: false, "CN=a=b": true, "CN=a<b": false, "CN=a>b": false,
		"CN=a#b": true, "CN=#6162": false, "CN=#0c0161": true, "CN=#zz": false, `CN=a"b`: false, "CN = a": true, " CN=a ": true, "CN=a b": true,
		"EMAILADDRESS=a@b": true, "E=a": false, "EMAIL=a": true, "S=a": true, "ST=a": true, "T=a": true, "IP=a": true, "DNQ=a": true,
		"DNQUALIFIER=a": true, "SURNAME=a": true, "GIVENNAME=a": true, "INITIALS=a": true, "GENERATION=a": true, "UID=a": true, "SERIALNUMBER=a": true,
		"STREET=a": true, "DC=a": true, "SN=a": false, "TITLE=a": false, "CN=é": true, "CN=a+": false, "+CN=a": false, "CN=a++O=b": false,
		`CN=\C3\A9`: true, `CN=\4`: false, `CN="a"b`: false, `CN="a" `: true, `CN="a",O=b`: true, "CN=a\nb": true, `CN=\ a\ `: true,
		"4.2.3=a": false, "1=a": false, "2.5.4.3=a": true, `CN=a\zb`: false, "CN=+a": false, `CN="a+b"+O=c`: true, `CN="a\"b"`: true,
		"O=a, CN=b": true, "OU=x/y": true, "CN==": true, "1.40.3=a": false, "01.2.3=a": true, `CN="a"=b`: false, "CN=a;": false, `CN=a\+b`: true,
		"CN=#": false, "CN=#0": false,
	} {
		if validX500Name(name) != want {
			t.Errorf("%q valid is not %v", name, want)
		}
	}
}

func FuzzX500Name(f *testing.F) {
	f.Add("CN=a,O=b", []byte("\x30\x00"))
	f.Fuzz(func(_ *testing.T, name string, der []byte) {
		validX500Name(name)
		x500Name(der)
	})
}
