package krb5

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/zkctl/zkctl/internal/sasl"
)

// maxSkew is how far a client's clock may be off; krb5.conf's clockskew has the same default.
const maxSkew = 5 * time.Minute

// Service is a Kerberos service, which accepts clients. It needs no KDC, only its keytab.
type Service struct {
	principal Principal
	keys      func() (*Keytab, error)
	replays   replays
}

// NewService returns the service "name/host@REALM". keys reads its keytab: for each client, because keys change while a
// server runs.
func NewService(principal string, keys func() (*Keytab, error)) (*Service, error) {
	p, err := ParsePrincipal(principal)
	if err != nil {
		return nil, err
	}
	if p.Realm == "" || len(p.Name.NameString) != 2 {
		return nil, fmt.Errorf("%q is not the principal of a service; use service/host@REALM", principal)
	}
	kt, err := keys()
	if err != nil {
		return nil, err
	}
	if _, err := kt.types(p); err != nil {
		return nil, err
	}
	return &Service{principal: p, keys: keys}, nil
}

// Acceptor is a service's part in the authentication of one client, as Java's server plays it: it authenticates itself if
// the client asks for that, and offers no protection of what follows.
type Acceptor struct {
	s       *Service
	next    func(token []byte) (answer []byte, done bool, err error) // nil after the end
	key     types.EncryptionKey                                      // of what is wrapped
	seq     uint64
	user    string
	authzid string
}

// Exchange starts the authentication of a client.
func (s *Service) Exchange() *Acceptor {
	a := &Acceptor{s: s}
	a.next = a.accept
	return a
}

// Step takes a client's token and returns the answer to it, which is nil at the end. If done is true, the client is
// authenticated.
func (a *Acceptor) Step(token []byte) (answer []byte, done bool, err error) {
	step := a.next
	a.next = nil
	switch {
	case step == nil:
		return nil, false, errors.New("SASL authentication already complete")
	case len(token) > sasl.MaxToken:
		return nil, false, fmt.Errorf("a GSSAPI token of %d bytes; the limit is %d", len(token), sasl.MaxToken)
	}
	if err := guard(func() (failed error) {
		answer, done, failed = step(token)
		return failed
	}); err != nil {
		a.next = nil
		return nil, false, fmt.Errorf("GSSAPI: %w", err)
	}
	return answer, done, nil
}

// User returns the principal that has authenticated, name@REALM.
func (a *Acceptor) User() string { return a.user }

// AuthorizationID returns whom the client wants to act as: itself, unless it asked for another.
func (a *Acceptor) AuthorizationID() string { return a.authzid }

// accept takes the client's ticket.
func (a *Acceptor) accept(token []byte) (answer []byte, done bool, err error) {
	kind, message, err := unframeToken(token)
	switch {
	case err != nil:
		return nil, false, err
	case kind != tokenAPReq:
		return nil, false, fmt.Errorf("the first token is of the kind %#04x, not a ticket (AP-REQ)", kind)
	}
	var req messages.APReq
	if err := req.Unmarshal(message); err != nil {
		return nil, false, fmt.Errorf("the AP-REQ is malformed: %w", err)
	}
	if err := a.s.verify(&req); err != nil {
		return nil, false, err
	}
	auth := &req.Authenticator
	mutual, err := wantsMutual(&auth.Cksum)
	if err != nil {
		return nil, false, err
	}
	if a.user, err = principalOf(&req); err != nil {
		return nil, false, err
	}
	session := req.Ticket.DecryptedEncPart.Key
	if a.key = auth.SubKey; a.key.KeyType == 0 {
		a.key = session
	}
	if !slices.Contains(sessionTypes, a.key.KeyType) {
		return nil, false, fmt.Errorf("the client's key has the encryption type %d; AES is supported, so allow the client to use aes256-cts or aes128-cts", a.key.KeyType)
	}
	if !mutual {
		a.seq = uint64(auth.SeqNumber)
		return a.offer(nil)
	}
	a.next = a.offer
	answer, err = a.apRep(auth, session)
	return answer, false, err
}

// verify checks a ticket and its authenticator, which are decrypted thereby.
func (s *Service) verify(req *messages.APReq) error {
	if target := (Principal{req.Ticket.SName, req.Ticket.Realm}); !s.principal.is(target) {
		return fmt.Errorf("the ticket is for %v; this server is %v", target, s.principal)
	}
	keys, err := s.keys()
	if err != nil {
		return err
	}
	if ok, err := req.Verify(keys.Keytab, maxSkew, types.HostAddress{}, nil); err != nil || !ok {
		return s.explain(req, err)
	}
	if req.Authenticator.CRealm != req.Ticket.DecryptedEncPart.CRealm {
		return fmt.Errorf("the ticket belongs to the realm %q, its sender says %q", req.Ticket.DecryptedEncPart.CRealm, req.Authenticator.CRealm)
	}
	if s.replays.seen(sha256.Sum256(req.EncryptedAuthenticator.Cipher), time.Now()) {
		return errors.New("the AP-REQ was sent before; somebody may replay it")
	}
	return nil
}

func (s *Service) explain(req *messages.APReq, err error) error {
	var k messages.KRBError
	if !errors.As(err, &k) {
		return fmt.Errorf("the ticket cannot be verified: %w", err)
	}
	switch k.ErrorCode {
	case errorcode.KRB_AP_ERR_SKEW:
		off := time.Since(req.Authenticator.CTime).Round(time.Second)
		if off < 0 {
			return fmt.Errorf("the client's clock is %v ahead of this server's; at most %v are allowed", -off, maxSkew)
		}
		return fmt.Errorf("the client's clock is %v behind this server's; at most %v are allowed", off, maxSkew)
	case errorcode.KRB_AP_ERR_TKT_EXPIRED:
		return fmt.Errorf("the client's ticket expired at %s", req.Ticket.DecryptedEncPart.EndTime.Format(time.RFC3339))
	case errorcode.KRB_AP_ERR_NOKEY:
		return fmt.Errorf("the ticket is encrypted with key %d of the type %d, which the keytab does not have; export it again (ktadd)", req.Ticket.EncPart.KVNO, req.Ticket.EncPart.EType)
	}
	return fmt.Errorf("the ticket cannot be verified: %w", err)
}

// wantsMutual reads the checksum of an authenticator, which carries the client's wishes (RFC 4121, section 4.1.1).
func wantsMutual(sum *types.Checksum) (bool, error) {
	if sum.CksumType != chksumtype.GSSAPI || len(sum.Checksum) < 24 || binary.LittleEndian.Uint32(sum.Checksum) != 16 {
		return false, errors.New("the authenticator has no GSSAPI checksum")
	}
	return binary.LittleEndian.Uint32(sum.Checksum[20:])&flagMutual != 0, nil
}

// principalOf returns the client's principal. A component with a separator in it could be taken for two.
func principalOf(req *messages.APReq) (string, error) {
	part := &req.Ticket.DecryptedEncPart
	for _, c := range append([]string{part.CRealm}, part.CName.NameString...) {
		if c == "" || strings.ContainsAny(c, "/@\\\x00") {
			return "", fmt.Errorf("the principal %q of the realm %q has a component that ZooKeeper cannot express", part.CName.NameString, part.CRealm)
		}
	}
	if len(part.CName.NameString) == 0 {
		return "", errors.New("the ticket names no client")
	}
	return part.CName.PrincipalNameString() + "@" + part.CRealm, nil
}

// apRep proves that the service could read the ticket.
func (a *Acceptor) apRep(auth *types.Authenticator, session types.EncryptionKey) ([]byte, error) {
	var random [4]byte
	_, _ = rand.Read(random[:])                                       // never fails
	a.seq = uint64(binary.BigEndian.Uint32(random[:])&0x3fffffff) | 1 // not 0, which would be left out
	part, err := asn1.Marshal(struct {
		CTime          time.Time `asn1:"generalized,explicit,tag:0"`
		Cusec          int       `asn1:"explicit,tag:1"`
		SequenceNumber int64     `asn1:"explicit,tag:3"`
	}{auth.CTime, auth.Cusec, int64(a.seq)})
	if err != nil {
		return nil, err
	}
	sealed, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(part, asnAppTag.EncAPRepPart), session, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		return nil, fmt.Errorf("encrypt the AP-REP: %w", err)
	}
	rep, err := asn1.Marshal(messages.APRep{PVNO: iana.PVNO, MsgType: msgtype.KRB_AP_REP, EncPart: sealed})
	if err != nil {
		return nil, err
	}
	return frameToken(tokenAPRep, asn1tools.AddASNAppTag(rep, asnAppTag.APREP)), nil
}

// javaBuffer is how much Java's server says it can receive at once, although nothing will be wrapped.
const javaBuffer = 1 << 16

// offer sends what protection the server offers, which is none.
func (a *Acceptor) offer(token []byte) (answer []byte, done bool, err error) {
	if len(token) > 0 {
		return nil, false, errors.New("expected an empty token after the AP-REP")
	}
	a.next = a.choose
	answer, err = wrap(binary.BigEndian.AppendUint32(nil, noLayer<<24|javaBuffer), a.key, fromAcceptor, a.seq)
	return answer, false, err
}

// choose takes the client's choice, and as whom it wants to act.
func (a *Acceptor) choose(token []byte) (answer []byte, done bool, err error) {
	choice, err := unwrap(token, a.key, 0)
	switch {
	case err != nil:
		return nil, false, err
	case len(choice) < 4:
		return nil, false, fmt.Errorf("the client's choice of protection has %d bytes, at least 4 were expected", len(choice))
	case choice[0]&noLayer == 0:
		return nil, false, fmt.Errorf("Client selected unsupported protection: %d", choice[0])
	}
	if a.authzid = string(choice[4:]); a.authzid == "" {
		a.authzid = a.user
	}
	return nil, true, nil
}

// replays remembers the authenticators of at least the last two maxSkew, in which one that was seen would be accepted
// again.
type replays struct {
	mu       sync.Mutex
	since    time.Time
	now, old map[[sha256.Size]byte]struct{}
}

func (r *replays) seen(sum [sha256.Size]byte, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil || at.Sub(r.since) > 2*maxSkew {
		r.now, r.old, r.since = map[[sha256.Size]byte]struct{}{}, r.now, at
	}
	_, now := r.now[sum]
	_, old := r.old[sum]
	r.now[sum] = struct{}{}
	return now || old
}
