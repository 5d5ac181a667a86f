package tlsstore

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/authority"
)

// sealed is a PKCS#8 key encrypted by openssl pkcs8 -topk8 with the password "secret" and few iterations.
const sealed = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHrMFYGCSqGSIb3DQEFDTBJMCgGCSqGSIb3DQEFDDAbBAj1Y2IYzJovGAIBCjAM
BggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQ7n66B1IisfHcgS5px+um+ASBkFqd
AzWmJDTRb66xGFnQpcf7TFv20u2m3VT2+J3mY7wAJN3sCFRQ1Vr9ENPSq9vLuwOk
6rWuh6mp4OzXC5RSv110vHIess7H6OAHk5hfKHvEXHOt8n4T97th2LTRrqFN/GPg
qCz290h+JHn1eGXjd1ZZ9L0vpvgiDqUQDRVwoG1jyJRzDkne1alhTb2F9DKC8Q==
-----END ENCRYPTED PRIVATE KEY-----
`

func TestEncryptedKey(t *testing.T) {
	b, _ := pem.Decode([]byte(sealed))
	der, err := decryptPKCS8(b.Bytes, "secret")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParsePKCS8PrivateKey(der); err != nil {
		t.Error(err)
	}
	if _, err := decryptPKCS8(b.Bytes, "Secret"); err != errBadPass {
		t.Error(err)
	}
	for n := range b.Bytes {
		if _, err := decryptPKCS8(b.Bytes[:n], "secret"); err == nil {
			t.Errorf("the first %d bytes are accepted", n)
		}
	}
}

// FuzzPEM reads a text as a key store and as a trust store: an error, never a panic. Other libraries read the
// binary formats.
func FuzzPEM(f *testing.F) {
	dir, err := authority.Open(f.TempDir(), "test", time.Now().Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := dir.Add("x", authority.Subject{Name: "x", Hosts: []string{"x"}, Until: time.Now().Add(time.Hour)}); err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"x.pem", "ca.pem", "ca.key"} {
		b, err := os.ReadFile(dir.Path(name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(sealed))
	f.Add([]byte{0x30, 0x80, 0x02, 0x01, 0x03})
	f.Add([]byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = detect(b)
		if cert, err := keyPEM(b, nil, "secret"); err == nil && (len(cert.Certificate) == 0 || cert.PrivateKey == nil) {
			t.Error("a key without a certificate, or the other way round")
		}
		_, _ = certificatesPEM(b)
	})
}

// FuzzEncryptedKey decrypts a PKCS#8 key that anybody may have written.
func FuzzEncryptedKey(f *testing.F) {
	b, _ := pem.Decode([]byte(sealed))
	f.Add(b.Bytes, "secret")
	f.Add([]byte{0x30, 0}, "")
	f.Fuzz(func(t *testing.T, der []byte, password string) {
		if plain, err := decryptPKCS8(der, password); err == nil && !isWhole(plain) {
			t.Error("what was decrypted is not a value")
		}
	})
}

// FuzzUnmarked reads the certificates of a PKCS12 store without Java's mark.
func FuzzUnmarked(f *testing.F) {
	ca, err := authority.New("test", time.Now().Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	store, err := ca.TrustPKCS12("secret")
	if err != nil {
		f.Fatal(err)
	}
	if certs, err := certificatesPKCS12(store, "secret"); err != nil || len(certs) != 1 || !certs[0].Equal(ca.Cert) {
		f.Fatal(certs, err)
	}
	f.Add(store)
	f.Add([]byte{0x30, 0x03, 0x02, 0x01, 0x03})
	f.Fuzz(func(t *testing.T, der []byte) { _, _ = addKey(der, "secret") })
}
