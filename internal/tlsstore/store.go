// Package tlsstore reads the key stores and trust stores that ZooKeeper's zookeeper.ssl.*
// properties name, for clients and for servers.
package tlsstore

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/zkctl/zkctl/internal/infile"
)

// storeType is a format of key and trust stores. (KeyStoreFileType)
type storeType string

const (
	storePEM    storeType = "PEM"
	storePKCS12 storeType = "PKCS12"
	storeJKS    storeType = "JKS"
	storeBCFKS  storeType = "BCFKS"
	storeJCEKS  storeType = "JCEKS"
)

// Store is a key store or a trust store.
type Store struct {
	File         string
	Type         string // PEM, PKCS12 or JKS; "" means detect from the content
	Password     string
	PasswordFile string // file with the password, overriding Password; a trailing newline is ignored
	KeyFile      string // PEM file with the private key, if File has only the certificates
}

// password returns the password, from the file if there is one.
func (s *Store) password() (string, error) {
	if s.PasswordFile == "" {
		return s.Password, nil
	}
	b, err := infile.Settings(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("password of %s: %w", s.File, err)
	}
	return string(bytes.TrimRight(bytes.TrimPrefix(b, bomUTF8), "\r\n")), nil
}

// read returns the store's bytes and type. Java opens a PKCS12 file as JKS and vice versa, and
// its keytool writes PKCS12 whatever the file's name is; so the content decides between the two.
func (s *Store) read() ([]byte, storeType, error) {
	b, err := readFile(s.File)
	if err != nil {
		return nil, "", err
	}
	want := storeType(strings.ToUpper(s.Type))
	if want == "" {
		want = map[string]storeType{".pem": storePEM, ".p12": storePKCS12, ".pfx": storePKCS12, ".jks": storeJKS,
			".bcfks": storeBCFKS}[strings.ToLower(filepath.Ext(s.File))]
	}
	found, err := detect(b)
	if err != nil {
		return nil, "", err
	}
	switch {
	case want == storeBCFKS || found == storeBCFKS:
		return nil, "", errors.New("BCFKS, Bouncy Castle's format for FIPS, is not supported; convert the store " +
			"(keytool -importkeystore -srcstoretype BCFKS … -deststoretype PKCS12), or use PEM")
	case found == storeJCEKS:
		return nil, "", errors.New("JCEKS is not supported; convert the store (keytool -importkeystore … -deststoretype PKCS12)")
	case want != "" && want != storePEM && want != storePKCS12 && want != storeJKS:
		return nil, "", fmt.Errorf("unsupported type %s; use PEM, PKCS12 or JKS", want)
	case want == "" && found == "":
		return nil, "", errors.New("the file is not PEM, PKCS12 or JKS")
	case want == "", want == found, want == storePKCS12 && found == storeJKS, want == storeJKS && found == storePKCS12:
		return b, found, nil
	case found == "":
		return nil, "", fmt.Errorf("the file is not %s", want)
	}
	return nil, "", fmt.Errorf("the file should be %s but is %s", want, found)
}

// readFile reads a file of keys or certificates, without the mark that some editors put at the beginning
// of a text. The error does not repeat the name.
func readFile(name string) ([]byte, error) {
	b, err := infile.Settings(name)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, err
	}
	b = bytes.TrimPrefix(b, bomUTF8)
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return nil, errors.New("the file is empty")
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return nil, errors.New("the file is a text in UTF-16; write it in UTF-8")
	}
	return b, nil
}

// detect returns the format of a store, or "" for none that is known.
func detect(b []byte) (storeType, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0xfe, 0xed, 0xfe, 0xed}):
		return storeJKS, nil
	case bytes.HasPrefix(b, []byte{0xce, 0xce, 0xce, 0xce}):
		return storeJCEKS, nil
	case bytes.Contains(b, beginPEM):
		return storePEM, nil
	case len(b) < 2 || b[0] != 0x30:
		return "", nil
	}
	if b[1] == 0x80 {
		return "", errors.New("the file is encoded in BER, which is not supported; convert it (keytool -importkeystore … -deststoretype PKCS12)")
	}
	var outer struct{ First asn1.RawValue }
	if _, err := asn1.Unmarshal(b, &outer); err != nil {
		if b[1] >= 0x80 {
			return "", errors.New("the file is damaged; it may be truncated")
		}
		return "", nil
	}
	if outer.First.Tag == asn1.TagInteger {
		return storePKCS12, nil // it begins with its version
	}
	if _, err := x509.ParseCertificate(b); err == nil {
		return "", errors.New("the file is a certificate in DER, not a store; convert it (openssl x509 -inform DER -in … -out ….pem)")
	}
	return storeBCFKS, nil // it begins with an algorithm
}

// Key reads the certificate chain and its private key.
func (s *Store) Key() (*tls.Certificate, error) {
	cert, err := s.key()
	if err != nil {
		return nil, fmt.Errorf("key store %s: %w", s.File, err)
	}
	return cert, nil
}

func (s *Store) key() (*tls.Certificate, error) {
	b, kind, err := s.read()
	if err != nil {
		return nil, err
	}
	password, err := s.password()
	if err != nil {
		return nil, err
	}
	var key crypto.PrivateKey
	var chain []*x509.Certificate
	switch kind {
	case storePEM:
		var keyText []byte
		if s.KeyFile != "" {
			if keyText, err = readFile(s.KeyFile); err != nil {
				return nil, fmt.Errorf("its key %s: %w", s.KeyFile, err)
			}
		}
		return keyPEM(b, keyText, password)
	case storePKCS12:
		var leaf *x509.Certificate
		key, leaf, chain, err = pkcs12.DecodeChain(b, password)
		if err != nil {
			return nil, pkcs12Fault(err)
		}
		chain = leafFirst(key, append([]*x509.Certificate{leaf}, chain...))
	case storeJKS:
		key, chain, err = loadKeyJKS(b, password)
		if err != nil {
			return nil, err
		}
	}
	cert := &tls.Certificate{PrivateKey: key}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return cert, nil
}

// leafFirst puts the certificate of the key at the beginning; some tools write it after its authorities'.
func leafFirst(key crypto.PrivateKey, chain []*x509.Certificate) []*x509.Certificate {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return chain
	}
	i := slices.IndexFunc(chain, func(c *x509.Certificate) bool {
		public, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		return ok && public.Equal(signer.Public())
	})
	if i > 0 {
		leaf := chain[i]
		chain = slices.Insert(slices.Delete(chain, i, i+1), 0, leaf)
	}
	return chain
}

func loadKeyJKS(b []byte, password string) (crypto.PrivateKey, []*x509.Certificate, error) {
	ks, err := openJKS(b, password)
	if err != nil {
		return nil, nil, err
	}
	for _, alias := range ks.Aliases() {
		if !ks.IsPrivateKeyEntry(alias) {
			continue
		}
		entry, err := ks.GetPrivateKeyEntry(alias, []byte(password))
		if err != nil {
			return nil, nil, fmt.Errorf("key %q: %w; its password must be the same as the store's", alias, err)
		}
		key, err := x509.ParsePKCS8PrivateKey(entry.PrivateKey)
		if err != nil {
			return nil, nil, fmt.Errorf("key %q: %w", alias, err)
		}
		var chain []*x509.Certificate
		for _, c := range entry.CertificateChain {
			cert, err := x509.ParseCertificate(c.Content)
			if err != nil {
				return nil, nil, fmt.Errorf("certificate of key %q: %w", alias, err)
			}
			chain = append(chain, cert)
		}
		return key, chain, nil
	}
	return nil, nil, errNoKey
}

func openJKS(b []byte, password string) (keystore.KeyStore, error) {
	ks := keystore.New(keystore.WithOrderedAliases())
	if err := ks.Load(bytes.NewReader(b), []byte(password)); err != nil {
		return ks, fmt.Errorf("%w; check the password", err)
	}
	return ks, nil
}

// Trust reads the trusted certificates, at least one. Like Java, it also trusts the certificate
// of each key in a JKS or PKCS12 store.
func (s *Store) Trust() (*x509.CertPool, error) {
	certs, err := s.trust()
	if err == nil && len(certs) == 0 {
		err = errNoCert
	}
	if err != nil {
		return nil, fmt.Errorf("trust store %s: %w", s.File, err)
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool, nil
}

func (s *Store) trust() ([]*x509.Certificate, error) {
	b, kind, err := s.read()
	if err != nil {
		return nil, err
	}
	password, err := s.password()
	if err != nil {
		return nil, err
	}
	switch kind {
	case storeJKS:
		return trustJKS(b, password)
	case storePKCS12:
		return trustPKCS12(b, password)
	}
	return certificatesPEM(b)
}

func trustJKS(b []byte, password string) (certs []*x509.Certificate, err error) {
	ks, err := openJKS(b, password)
	if err != nil {
		return nil, err
	}
	for _, alias := range ks.Aliases() {
		var der []byte
		if ks.IsTrustedCertificateEntry(alias) {
			entry, err := ks.GetTrustedCertificateEntry(alias)
			if err != nil {
				return nil, fmt.Errorf("certificate %q: %w", alias, err)
			}
			der = entry.Certificate.Content
		} else {
			chain, err := ks.GetPrivateKeyEntryCertificateChain(alias)
			if err != nil || len(chain) == 0 {
				continue
			}
			der = chain[0].Content
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %q: %w", alias, err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

func trustPKCS12(b []byte, password string) ([]*x509.Certificate, error) {
	certs, err := pkcs12.DecodeTrustStore(b, password)
	if err == nil {
		return certs, nil
	}
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return nil, pkcs12Fault(err)
	}
	// It may hold a key: then Java trusts the key's certificate.
	if _, leaf, _, err := pkcs12.DecodeChain(b, password); err == nil {
		return []*x509.Certificate{leaf}, nil
	}
	// Differs(untagged-trust): Java trusts only what bears its own mark, which openssl does not write.
	if certs, err := certificatesPKCS12(b, password); err == nil && len(certs) > 0 {
		return certs, nil
	}
	return nil, pkcs12Fault(err)
}

func pkcs12Fault(err error) error {
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return errBadPass
	}
	return errors.New(strings.TrimPrefix(err.Error(), "pkcs12: "))
}

// Inspect returns all certificates of a store, those of a key first, and whether it has a private key.
func (s *Store) Inspect() (certs []*x509.Certificate, hasKey bool, err error) {
	certs, err = s.trust()
	if cert, keyErr := s.key(); keyErr == nil {
		hasKey = true
		var chain []*x509.Certificate
		for _, der := range cert.Certificate {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, true, fmt.Errorf("store %s: %w", s.File, err)
			}
			chain = append(chain, c)
		}
		for _, c := range certs {
			if !slices.ContainsFunc(chain, c.Equal) {
				chain = append(chain, c)
			}
		}
		return chain, true, nil
	}
	if err == nil && len(certs) == 0 {
		err = errNoCert
	}
	if err != nil {
		err = fmt.Errorf("store %s: %w", s.File, err)
	}
	return certs, false, err
}
