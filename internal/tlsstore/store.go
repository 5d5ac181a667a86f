// Package tlsstore reads the key stores and trust stores that ZooKeeper's zookeeper.ssl.*
// properties name, for clients and for servers.
package tlsstore

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
)

// Store is a key store or a trust store.
type Store struct {
	File         string
	Type         string // PEM, PKCS12 or JKS; "" means detect from the content
	Password     string
	PasswordFile string // file with the password, overriding Password; a trailing newline is ignored
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
	return string(bytes.TrimRight(b, "\r\n")), nil
}

// read returns the store's bytes and type. Java opens a PKCS12 file as JKS and vice versa, and
// its keytool writes PKCS12 whatever the file's name is; so the content decides between the two.
func (s *Store) read() ([]byte, storeType, error) {
	b, err := infile.Settings(s.File)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, "", err
	}
	want := storeType(strings.ToUpper(s.Type))
	if want == "" {
		want = map[string]storeType{".pem": storePEM, ".p12": storePKCS12, ".pfx": storePKCS12, ".jks": storeJKS,
			".bcfks": "BCFKS"}[strings.ToLower(filepath.Ext(s.File))]
	}
	var found storeType
	switch {
	case bytes.HasPrefix(b, []byte{0xfe, 0xed, 0xfe, 0xed}):
		found = storeJKS
	case bytes.Contains(b, []byte("-----BEGIN ")):
		found = storePEM
	case len(b) > 1 && b[0] == 0x30 && b[1] >= 0x80:
		found = storePKCS12
	}
	switch want {
	case "":
		if found == "" {
			return nil, "", errors.New("the file is not PEM, PKCS12 or JKS")
		}
		return b, found, nil
	case storePKCS12, storeJKS:
		if found == storePKCS12 || found == storeJKS {
			return b, found, nil
		}
	case storePEM:
		if found == storePEM {
			return b, found, nil
		}
	default:
		return nil, "", fmt.Errorf("unsupported type %s; use PEM, PKCS12 or JKS", want)
	}
	if found == "" {
		return nil, "", fmt.Errorf("the file is not %s", want)
	}
	return nil, "", fmt.Errorf("the file should be %s but is %s", want, found)
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
		return loadKeyPEM(b)
	case storePKCS12:
		var leaf *x509.Certificate
		key, leaf, chain, err = pkcs12.DecodeChain(b, password)
		if err != nil {
			return nil, pkcs12Fault(err)
		}
		chain = append([]*x509.Certificate{leaf}, chain...)
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

// Certificates returns the certificates of a key store or trust store: those of its keys, and those that it trusts.
func (s *Store) Certificates() ([]*x509.Certificate, error) {
	list, err := s.trust()
	if err == nil && len(list) > 0 {
		return list, nil
	}
	cert, keyErr := s.key()
	if keyErr != nil {
		if err == nil {
			err = keyErr
		}
		return nil, fmt.Errorf("store %s: %w", s.File, err)
	}
	list = nil
	for _, der := range cert.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("store %s: %w", s.File, err)
		}
		list = append(list, c)
	}
	return list, nil
}

func loadKeyPEM(b []byte) (*tls.Certificate, error) {
	var certs, keys []byte
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch {
		case block.Type == "CERTIFICATE":
			certs = append(certs, pem.EncodeToMemory(block)...)
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, errors.New("encrypted keys in PEM are not supported; put the key into a PKCS12 store " +
				"(openssl pkcs12 -export -in file.pem -out file.p12)")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			keys = append(keys, pem.EncodeToMemory(block)...)
		}
	}
	switch {
	case certs == nil:
		return nil, errors.New("the file has no certificate; put the key and its chain in one file")
	case keys == nil:
		return nil, errors.New("the file has no private key; put the key and its chain in one file")
	}
	cert, err := tls.X509KeyPair(certs, keys)
	return &cert, err
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
	return nil, nil, errors.New("the file has no private key")
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
		err = errors.New("the file has no certificate")
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
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return certs, nil
		}
		if block.Type == "CERTIFICATE" || block.Type == "TRUSTED CERTIFICATE" {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			certs = append(certs, cert)
		}
	}
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
	return nil, fmt.Errorf("%w; perhaps no certificate is marked as trusted, which openssl cannot do: "+
		"create the store with keytool -importcert, or use PEM", pkcs12Fault(err))
}

func pkcs12Fault(err error) error {
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return errors.New("the password is wrong")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "pkcs12: "))
}
