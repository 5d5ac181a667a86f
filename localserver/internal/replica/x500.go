package replica

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"strconv"
	"strings"
)

// The names of certificates' subjects in Java's form: the id of the scheme x509 is
// X500Principal.getName(), which is RFC 2253 with some peculiarities.

// x500Keywords are the attributes that RFC 2253 names; all others appear as OIDs.
var x500Keywords = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O",
	"2.5.4.11": "OU", "2.5.4.9": "STREET",
	"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}

type x500Attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type x500SET []x500Attribute // encoding/asn1 derives SET from the type's name

// subjectName returns the certificate's subject, or "" if it has none.
func subjectName(cert *x509.Certificate) string { return x500Name(cert.RawSubject) }

func x500Name(der []byte) string {
	var sets []x500SET
	if rest, err := asn1.Unmarshal(der, &sets); err != nil || len(rest) > 0 {
		return ""
	}
	parts := make([]string, len(sets))
	for i, set := range sets {
		attributes := make([]string, len(set))
		for j, a := range set {
			attributes[j] = a.name()
		}
		parts[len(sets)-1-i] = strings.Join(attributes, "+")
	}
	return strings.Join(parts, ",")
}

func (a *x500Attribute) name() string {
	keyword, known := x500Keywords[a.Type.String()]
	if !known || !isX500String(a.Value) {
		if !known {
			keyword = a.Type.String()
		}
		return keyword + "=#" + hex.EncodeToString(a.Value.FullBytes)
	}
	text := string([]rune(string(a.Value.Bytes)))
	body := strings.Trim(text, " \r")
	lead := len(text) - len(strings.TrimLeft(text, " \r"))
	var b strings.Builder
	b.WriteString(keyword + "=")
	pad := func(s string) {
		for _, c := range s {
			b.WriteByte('\\')
			b.WriteRune(c)
		}
	}
	pad(text[:lead])
	for _, c := range body {
		switch {
		case strings.ContainsRune(`,=+<>#;"\`, c):
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == 0:
			b.WriteString(`\00`)
		default:
			b.WriteRune(c)
		}
	}
	pad(text[lead+len(body):])
	return b.String()
}

func isX500String(v asn1.RawValue) bool {
	if v.Class != asn1.ClassUniversal {
		return false
	}
	switch v.Tag {
	case asn1.TagPrintableString, asn1.TagUTF8String, asn1.TagT61String, asn1.TagIA5String,
		asn1.TagGeneralString, asn1.TagBMPString, 28: // UniversalString
		return true
	}
	return false
}

// x500Names are the keywords that X500Principal accepts besides OIDs.
var x500Names = map[string]bool{
	"CN": true, "C": true, "L": true, "S": true, "ST": true, "O": true, "OU": true, "T": true, "IP": true,
	"STREET": true, "DC": true, "DNQUALIFIER": true, "DNQ": true, "SURNAME": true, "GIVENNAME": true,
	"INITIALS": true, "GENERATION": true, "EMAIL": true, "EMAILADDRESS": true, "UID": true, "SERIALNUMBER": true,
}

// validX500Name reports whether Java's X500Principal accepts the name.
func validX500Name(name string) bool {
	for rest := name; name != ""; {
		keyword, value, ok := strings.Cut(rest, "=")
		if !ok || !validX500Keyword(strings.TrimSpace(keyword)) {
			return false
		}
		if rest, ok = cutX500Value(strings.TrimLeft(value, " \n")); !ok {
			return false
		}
		if rest == "" {
			return true
		}
		rest = rest[1:] // a comma, semicolon or plus, after which there must be more
	}
	return true
}

func validX500Keyword(s string) bool {
	s = strings.ToUpper(s)
	if x500Names[s] {
		return true
	}
	parts := strings.Split(strings.TrimPrefix(s, "OID."), ".")
	if len(parts) < 2 {
		return false
	}
	first := uint64(0)
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || i == 0 && n > 2 || i == 1 && first < 2 && n > 39 {
			return false
		}
		if i == 0 {
			first = n
		}
	}
	return true
}

const x500Ends = ",;+"

// cutX500Value cuts off a value; rest is empty or starts with the value's terminator.
func cutX500Value(s string) (rest string, ok bool) {
	switch {
	case strings.HasPrefix(s, "#"):
		end := strings.IndexAny(s, x500Ends)
		if end < 0 {
			end = len(s)
		}
		der, err := hex.DecodeString(strings.TrimSpace(s[1:end]))
		if err != nil {
			return "", false
		}
		var value asn1.RawValue
		left, err := asn1.Unmarshal(der, &value)
		return s[end:], err == nil && len(left) == 0
	case strings.HasPrefix(s, `"`):
		i := 1
		for ; i < len(s) && s[i] != '"'; i++ {
			if s[i] == '\\' {
				if i = x500Escape(s, i); i < 0 {
					return "", false
				}
			}
		}
		if i >= len(s) {
			return "", false
		}
		rest = strings.TrimLeft(s[i+1:], " \n")
		return rest, rest == "" || strings.Contains(x500Ends, rest[:1])
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			if i = x500Escape(s, i); i < 0 {
				return "", false
			}
		case strings.IndexByte(x500Ends, s[i]) >= 0:
			return s[i:], true
		case strings.IndexByte(`<>"`, s[i]) >= 0:
			return "", false
		}
	}
	return "", true
}

// x500Escape returns the index of the last byte of the escape at s[i], or a negative number if it
// is invalid.
func x500Escape(s string, i int) int {
	if i+1 < len(s) && strings.IndexByte(",=+<>#;\"\\ \n", s[i+1]) >= 0 {
		return i + 1
	}
	if i+2 < len(s) {
		if _, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
			return i + 2
		}
	}
	return -1
}
