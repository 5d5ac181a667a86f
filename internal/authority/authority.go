// Package authority makes certificate authorities, and certificates that they sign, in the formats that
// ZooKeeper's servers and clients read: PEM and PKCS12.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// skew is how far another machine's clock may be behind: certificates are valid from so long ago.
const skew = time.Hour

// Identity is a private key with its certificate.
type Identity struct {
	Key  crypto.Signer
	Cert *x509.Certificate

	issuer *x509.Certificate // nil for an authority that signs itself
}

// Authority is an identity that signs others.
type Authority struct{ Identity }

// Subject is whom a certificate is for.
type Subject struct {
	Name   string    // the common name
	Hosts  []string  // names and addresses that it serves at; none for a client
	Client bool      // it may connect to servers
	Until  time.Time // never later than its authority
	// CRL and OCSP are where its revocation can be looked up; "" for nowhere.
	CRL, OCSP string
}

// New makes an authority that is valid until then.
func New(name string, until time.Time) (*Authority, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	i, err := issue(template, nil)
	if err != nil {
		return nil, err
	}
	return &Authority{*i}, nil
}

// Parse reads an authority from its certificate and its key in PEM.
func Parse(cert, key []byte) (*Authority, error) {
	block, _ := pem.Decode(cert)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("the authority's certificate is not PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the authority's certificate: %w", err)
	}
	if block, _ = pem.Decode(key); block == nil {
		return nil, errors.New("the authority's key is not PEM")
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the authority's key: %w", err)
	}
	signer, ok := k.(crypto.Signer)
	public, comparable := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !comparable || !public.Equal(signer.Public()) {
		return nil, errors.New("the authority's key is not that of its certificate")
	}
	return &Authority{Identity{Key: signer, Cert: c}}, nil
}

// Issue makes a key and a certificate for it.
func (a *Authority) Issue(s Subject) (*Identity, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: s.Name}, NotAfter: s.Until, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if template.NotAfter.After(a.Cert.NotAfter) {
		template.NotAfter = a.Cert.NotAfter
	}
	if len(s.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if s.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	for _, host := range s.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if s.CRL != "" {
		template.CRLDistributionPoints = []string{s.CRL}
	}
	if s.OCSP != "" {
		template.OCSPServer = []string{s.OCSP}
	}
	return issue(template, a)
}

func issue(template *x509.Certificate, by *Authority) (*Identity, error) {
	// Java 8, too, has the curve, and ZooKeeper's default cipher suites have ECDSA.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, err
	}
	template.NotBefore = time.Now().Add(-skew)
	if template.NotAfter.Before(template.NotBefore) {
		template.NotBefore = template.NotAfter.Add(-skew)
	}
	i := &Identity{Key: key}
	parent, signer := template, crypto.Signer(key)
	if by != nil {
		parent, signer, i.issuer = by.Cert, by.Key, by.Cert
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	if i.Cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return i, nil
}

// CertPEM is the certificate alone.
func (i *Identity) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Cert.Raw})
}

// KeyPEM is the key alone, as PKCS#8.
func (i *Identity) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// StorePEM is a key store: the key, its certificate, and the authority's.
func (i *Identity) StorePEM() ([]byte, error) {
	key, err := i.KeyPEM()
	if err != nil {
		return nil, err
	}
	text := append(key, i.CertPEM()...)
	if i.issuer != nil {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.issuer.Raw})...)
	}
	return text, nil
}

// StorePKCS12 is the same as a PKCS12 store, which Java reads from 8u301 and 11.0.12 on.
func (i *Identity) StorePKCS12(password string) ([]byte, error) {
	var chain []*x509.Certificate
	if i.issuer != nil {
		chain = append(chain, i.issuer)
	}
	return pkcs12.Modern2023.Encode(i.Key, i.Cert, chain, password)
}

// TrustPKCS12 is a trust store with the authority's certificate.
func (a *Authority) TrustPKCS12(password string) ([]byte, error) {
	return pkcs12.Modern2023.EncodeTrustStore([]*x509.Certificate{a.Cert}, password)
}

// RevocationList is a CRL, in DER, that is valid until then and revokes these certificates.
func (a *Authority) RevocationList(number int64, until time.Time, revoked ...*x509.Certificate) ([]byte, error) {
	list := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: time.Now().Add(-skew), NextUpdate: until}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now()})
	}
	return x509.CreateRevocationList(rand.Reader, list, a.Cert, a.Key)
}

// Password makes a password for stores: 128 bits, as letters and digits.
func Password() string { return rand.Text() }
