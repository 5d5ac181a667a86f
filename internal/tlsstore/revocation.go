package tlsstore

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	revocationWait = 15 * time.Second // for one answer, as in Java (com.sun.security.crl.timeout)
	crlFresh       = 30 * time.Second // so long a list is not asked for again (URICertStore)
	maxCRL         = 32 << 20
	maxOCSP        = 64 << 10
	maxCRLs        = 64 // lists that are kept
)

// revocation checks with the authorities that certificates are not revoked, as Java does for
// ssl.crl and ssl.ocsp: where the state of one cannot be learnt, the certificate is refused.
type revocation struct {
	ocsp bool // ask OCSP responders first
	http *http.Client

	mu    sync.Mutex
	lists map[string]*crl // by address
}

type crl struct {
	list  *x509.RevocationList
	asked time.Time
}

func newRevocation(ocsp bool) *revocation {
	// A proxy of the environment is used; a redirection cannot lead to a file.
	return &revocation{ocsp: ocsp, http: &http.Client{Timeout: revocationWait}, lists: map[string]*crl{}}
}

// check checks each certificate of a verified chain but the last, which is trusted as it is.
func (r *revocation) check(chain []*x509.Certificate) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*revocationWait)
	defer cancel()
	for i := range len(chain) - 1 {
		if err := r.checkOne(ctx, chain[i], chain[i+1]); err != nil {
			return rejected(chain, err)
		}
	}
	return nil
}

var errRevoked = errors.New("the certificate is revoked")

func (r *revocation) checkOne(ctx context.Context, cert, issuer *x509.Certificate) error {
	var reasons []error
	if r.ocsp {
		for _, url := range cert.OCSPServer {
			err := r.askOCSP(ctx, url, cert, issuer)
			if err == nil || errors.Is(err, errRevoked) {
				return err
			}
			reasons = append(reasons, err)
		}
	}
	for _, url := range cert.CRLDistributionPoints {
		err := r.askCRL(ctx, url, cert, issuer)
		if err == nil || errors.Is(err, errRevoked) {
			return err
		}
		reasons = append(reasons, err)
	}
	if reasons == nil {
		return fmt.Errorf("whether the certificate of %q is revoked cannot be checked: it names no place to ask", cert.Subject)
	}
	return fmt.Errorf("whether the certificate of %q is revoked cannot be checked: %w", cert.Subject, errors.Join(reasons...))
}

func revokedSince(cert *x509.Certificate, at time.Time) error {
	return fmt.Errorf("%w: %q, since %s", errRevoked, cert.Subject, at.UTC().Format(time.RFC3339))
}

func (r *revocation) askCRL(ctx context.Context, url string, cert, issuer *x509.Certificate) error {
	list, err := r.list(ctx, url)
	if err == nil {
		err = list.CheckSignatureFrom(issuer)
	}
	if now := time.Now(); err == nil && !list.NextUpdate.IsZero() && now.After(list.NextUpdate) {
		err = fmt.Errorf("the list is out of date since %s", list.NextUpdate.UTC().Format(time.RFC3339))
	}
	if err != nil {
		return fmt.Errorf("CRL %s: %w", url, err)
	}
	i := slices.IndexFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
		return e.SerialNumber.Cmp(cert.SerialNumber) == 0
	})
	if i >= 0 {
		return revokedSince(cert, list.RevokedCertificateEntries[i].RevocationTime)
	}
	return nil
}

// list returns the revocation list at an address.
func (r *revocation) list(ctx context.Context, url string) (*x509.RevocationList, error) {
	r.mu.Lock()
	known := r.lists[url]
	r.mu.Unlock()
	if known != nil && time.Since(known.asked) < crlFresh {
		return known.list, nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	b, err := r.fetch(request, maxCRL)
	if err != nil {
		return nil, err
	}
	if blocks, err := blocksPEM(b); err == nil && len(blocks) == 1 {
		b = blocks[0].Bytes
	}
	list, err := x509.ParseRevocationList(b)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lists) >= maxCRLs {
		clear(r.lists)
	}
	r.lists[url] = &crl{list, time.Now()}
	return list, nil
}

func (r *revocation) askOCSP(ctx context.Context, url string, cert, issuer *x509.Certificate) error {
	fail := func(err error) error { return fmt.Errorf("OCSP %s: %w", url, err) }
	question, err := ocsp.CreateRequest(cert, issuer, nil)
	if err != nil {
		return fail(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(question))
	if err != nil {
		return fail(err)
	}
	request.Header.Set("Content-Type", "application/ocsp-request")
	b, err := r.fetch(request, maxOCSP)
	if err != nil {
		return fail(err)
	}
	answer, err := ocsp.ParseResponseForCert(b, cert, issuer)
	now := time.Now()
	switch {
	case err != nil:
		return fail(err)
	// Another certificate of the authority may not answer for it.
	case answer.Certificate != nil && !slices.Contains(answer.Certificate.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fail(errors.New("the answer is signed by a certificate that is not for this"))
	case answer.Certificate != nil && (now.Before(answer.Certificate.NotBefore) || now.After(answer.Certificate.NotAfter)):
		return fail(errors.New("the answer is signed by a certificate that is not valid now"))
	case answer.ThisUpdate.After(now.Add(revocationSkew)), !answer.NextUpdate.IsZero() && now.After(answer.NextUpdate.Add(revocationSkew)):
		return fail(errors.New("the answer is not of now"))
	case answer.Status == ocsp.Revoked:
		return revokedSince(cert, answer.RevokedAt)
	case answer.Status != ocsp.Good:
		return fail(errors.New("the responder does not know the certificate"))
	}
	return nil
}

// revocationSkew is how much the clocks may differ (OCSP.java, com.sun.security.ocsp.clockSkew).
const revocationSkew = 15 * time.Minute

func (r *revocation) fetch(request *http.Request, most int64) ([]byte, error) {
	answer, err := r.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", answer.Status)
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("the answer is longer than %d bytes", most)
	}
	return b, err
}

// Revocation returns a check of verified chains, from a peer's certificate to the authority's: none of
// their certificates may be revoked. With ocsp, responders are asked before lists are read.
func Revocation(ocsp bool) func(chain []*x509.Certificate) error { return newRevocation(ocsp).check }
