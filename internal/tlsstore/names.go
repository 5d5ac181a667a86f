package tlsstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// VerifyChain checks that roots, or the system's authorities if nil, vouch for a peer's
// certificates, and returns the chain that proves it, from the peer's to the authority's.
func VerifyChain(certs []*x509.Certificate, roots *x509.CertPool, usage x509.ExtKeyUsage) ([]*x509.Certificate, error) {
	if len(certs) == 0 {
		return nil, errors.New("the server presented no certificate")
	}
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{usage}}
	for _, c := range certs[1:] {
		opts.Intermediates.AddCert(c)
	}
	chains, err := certs[0].Verify(opts)
	if err != nil {
		return nil, rejected(certs, err)
	}
	return chains[0], nil
}

func rejected(certs []*x509.Certificate, err error) error {
	return &tls.CertificateVerificationError{UnverifiedCertificates: certs, Err: err}
}

// VerifyHost checks that a certificate is for one of the hosts, names or addresses. As in ZooKeeper, a
// certificate without alternative names is compared by its common name.
func VerifyHost(cert *x509.Certificate, hosts ...string) error {
	named := len(cert.DNSNames)+len(cert.IPAddresses)+len(cert.URIs)+len(cert.EmailAddresses) > 0
	for _, host := range hosts {
		if cert.VerifyHostname(host) == nil || !named && matchCommonName(cert.Subject.CommonName, host) {
			return nil
		}
	}
	return rejected([]*x509.Certificate{cert},
		fmt.Errorf("the certificate is for %s, not for %s", strings.Join(Names(cert), ", "), strings.Join(hosts, " or ")))
}

// Names returns the names and addresses that a certificate is for: the alternative names, or else the
// common name.
func Names(cert *x509.Certificate) []string {
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names)+len(cert.URIs)+len(cert.EmailAddresses) == 0 && cert.Subject.CommonName != "" {
		names = append(names, cert.Subject.CommonName)
	}
	return names
}

// matchCommonName allows one asterisk, as the first label. (ZKHostnameVerifier)
func matchCommonName(cn, host string) bool {
	if cn == "" {
		return false
	}
	if strings.EqualFold(cn, host) {
		return true
	}
	_, domain, ok := strings.Cut(host, ".")
	return ok && net.ParseIP(host) == nil && strings.HasPrefix(cn, "*.") && strings.EqualFold(cn[2:], domain)
}

// reverseLookup limits the question for the name of an address.
const reverseLookup = 5 * time.Second

// verifyAddress checks that a certificate is for a peer's address, or, with reverse, for the name that
// the name server gives for it. (ZKTrustManager)
func verifyAddress(cert *x509.Certificate, addr net.Addr, reverse bool) error {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		host = addr.String()
	}
	host, _, _ = strings.Cut(host, "%")
	if err = VerifyHost(cert, host); err == nil || !reverse {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), reverseLookup)
	defer cancel()
	names, lookup := net.DefaultResolver.LookupAddr(ctx, host)
	if lookup != nil || len(names) == 0 {
		return err
	}
	hosts := []string{host}
	for _, name := range names[:min(len(names), 8)] {
		hosts = append(hosts, strings.TrimSuffix(name, "."))
	}
	return VerifyHost(cert, hosts...)
}
