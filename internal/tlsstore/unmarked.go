package tlsstore

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"unicode/utf16"

	"software.sslmate.com/src/go-pkcs12"
)

// The outer layers of PKCS12 (RFC 7292), as far as they are changed below.
type (
	pfx struct {
		Version  int
		AuthSafe contentInfo
		Mac      macData `asn1:"optional"`
	}
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	macData struct {
		Mac struct {
			Algorithm pkix.AlgorithmIdentifier
			Digest    []byte
		}
		Salt       []byte
		Iterations int `asn1:"optional,default:1"`
	}
	safeBag struct {
		ID    asn1.ObjectIdentifier
		Value asn1.RawValue `asn1:"tag:0,explicit"`
	}
)

var (
	oidData   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidKeyBag = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidSHA1   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
)

// anyKey is a private key of no use: PKCS#8, Ed25519, all zeros.
var anyKey = append([]byte{0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20}, make([]byte, 32)...)

// certificatesPKCS12 returns the certificates of a store that has no key, whether they are marked as
// trusted or not. go-pkcs12 reads either stores with a key or marked certificates; so a key is added.
// The caller has had the store's MAC verified.
func certificatesPKCS12(der []byte, password string) ([]*x509.Certificate, error) {
	der, err := addKey(der, password)
	if err != nil {
		return nil, err
	}
	_, first, rest, err := pkcs12.DecodeChain(der, password)
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{first}, rest...), nil
}

// addKey returns a PKCS12 store with anyKey in it.
func addKey(der []byte, password string) ([]byte, error) {
	var store pfx
	if _, err := asn1.Unmarshal(der, &store); err != nil {
		return nil, err
	}
	var content []byte
	if _, err := asn1.Unmarshal(store.AuthSafe.Content.Bytes, &content); err != nil {
		return nil, err
	}
	var parts []contentInfo
	if _, err := asn1.Unmarshal(content, &parts); err != nil {
		return nil, err
	}
	if len(parts) != 1 {
		return nil, errors.New("it has several parts")
	}
	bags, err := asn1.Marshal([]safeBag{{oidKeyBag, explicit(anyKey)}})
	if err != nil {
		return nil, err
	}
	octets, err := asn1.Marshal(bags)
	if err != nil {
		return nil, err
	}
	parts = append(parts, contentInfo{oidData, explicit(octets)})
	if content, err = asn1.Marshal(parts); err != nil {
		return nil, err
	}
	if octets, err = asn1.Marshal(content); err != nil {
		return nil, err
	}
	store.AuthSafe = contentInfo{oidData, explicit(octets)}
	store.Mac = macData{Salt: []byte("eightoct"), Iterations: 1}
	store.Mac.Mac.Algorithm = pkix.AlgorithmIdentifier{Algorithm: oidSHA1, Parameters: asn1.NullRawValue}
	mac := hmac.New(sha1.New, macKey(password, store.Mac.Salt))
	mac.Write(content)
	store.Mac.Mac.Digest = mac.Sum(nil)
	return asn1.Marshal(store)
}

func explicit(der []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: der}
}

// macKey derives the key of a MAC with SHA-1 and one iteration (RFC 7292, appendix B.2).
func macKey(password string, salt []byte) []byte {
	const block = 64
	fill := func(b []byte) []byte {
		out := make([]byte, (len(b)+block-1)/block*block)
		for i := range out {
			out[i] = b[i%len(b)]
		}
		return out
	}
	var bmp []byte
	for _, unit := range append(utf16.Encode([]rune(password)), 0) {
		bmp = append(bmp, byte(unit>>8), byte(unit))
	}
	in := make([]byte, block)
	for i := range in {
		in[i] = 3 // the purpose: a MAC
	}
	in = append(append(in, fill(salt)...), fill(bmp)...)
	sum := sha1.Sum(in) // one round is as long as the key
	return sum[:]
}
