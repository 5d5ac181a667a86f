package krb5

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/sasl"
)

// ticket is a ticket with its session key.
type ticket struct {
	client, server   Principal
	ticket           messages.Ticket
	key              types.EncryptionKey
	start, end, till time.Time // valid from, until, renewable until; start and till may be zero
}

// validAt reports whether the ticket is good for a moment more.
func (t *ticket) validAt(now time.Time) bool { return t != nil && now.Add(5*time.Second).Before(t.end) }

// secret is what a client logs in with: one of the two.
type secret struct {
	keytab   *Keytab
	password string
}

func (s *secret) credentials(p Principal) *credentials.Credentials {
	c := credentials.NewFromPrincipalName(p.Name, p.Realm)
	if s.keytab != nil {
		return c.WithKeytab(s.keytab.Keytab)
	}
	return c.WithPassword(s.password)
}

// key returns the key for the first of the KDC's encryption types that the secret has.
func (s *secret) key(p Principal, e *messages.KRBError) (key types.EncryptionKey, kvno int, err error) {
	var offered types.PADataSequence
	if err := offered.Unmarshal(e.EData); err != nil {
		return key, 0, fmt.Errorf("the KDC's demand for pre-authentication cannot be read: %w", err)
	}
	var ids []int32
	for _, pa := range offered {
		switch pa.PADataType {
		case patype.PA_ETYPE_INFO2:
			info, _ := pa.GetETypeInfo2()
			for _, entry := range info {
				ids = append(ids, entry.EType)
			}
		case patype.PA_ETYPE_INFO:
			info, _ := pa.GetETypeInfo()
			for _, entry := range info {
				ids = append(ids, entry.EType)
			}
		}
	}
	if len(ids) == 0 {
		return key, 0, errors.New("the KDC offers no pre-authentication with a password or a keytab")
	}
	if s.keytab == nil {
		key, _, err = crypto.GetKeyFromPassword(s.password, p.Name, p.Realm, ids[0], offered)
		return key, 0, err
	}
	for _, id := range ids {
		if key, kvno, err = s.keytab.GetEncryptionKey(p.Name, p.Realm, 0, id); err == nil {
			return key, kvno, nil
		}
	}
	return key, 0, fmt.Errorf("keytab %s: its keys of %v have none of the encryption types that the KDC offers; export it anew", escape.Line(s.keytab.Name), p)
}

// login gets a ticket-granting ticket.
func (c *Config) login(ctx context.Context, p Principal, s *secret) (*ticket, error) {
	conf := *c.Config
	if s.keytab != nil {
		ids, err := s.keytab.types(p)
		if err != nil {
			return nil, err
		}
		usable := slices.DeleteFunc(slices.Clone(conf.LibDefaults.DefaultTktEnctypeIDs), func(id int32) bool { return !slices.Contains(ids, id) })
		if len(usable) == 0 {
			return nil, fmt.Errorf("keytab %s: the keys of %v have no encryption type that can be used (aes256-cts, aes128-cts or rc4-hmac); export it anew", escape.Line(s.keytab.Name), p)
		}
		conf.LibDefaults.DefaultTktEnctypeIDs = usable
	}
	request, err := messages.NewASReqForTGT(p.Realm, &conf, p.Name)
	if err != nil {
		return nil, err
	}
	reply, err := c.askAS(ctx, p, &request)
	var refused *messages.KRBError
	if errors.As(err, &refused) && refused.ErrorCode == errorcode.KDC_ERR_PREAUTH_REQUIRED {
		if err := guard(func() error { return preauthenticate(&request, p, s, refused) }); err != nil {
			return nil, err
		}
		reply, err = c.askAS(ctx, p, &request)
	}
	if err != nil {
		return nil, c.loginFault(p, s, err)
	}
	if err := guard(func() error { _, err := reply.DecryptEncPart(s.credentials(p)); return err }); err != nil {
		return nil, &sasl.Refusal{What: wrongSecret(p, s), Err: err}
	}
	part := &reply.DecryptedEncPart
	if skew := time.Until(part.AuthTime); skew.Abs() > c.LibDefaults.Clockskew {
		return nil, skewFault("the KDC of "+escape.Line(p.Realm), skew)
	}
	if ok, err := reply.Verify(&conf, s.credentials(p), request); !ok {
		return nil, fmt.Errorf("the KDC's reply to the login of %v is not valid: %w", p, err)
	}
	return newTicket(p, reply.Ticket, part), nil
}

func newTicket(client Principal, t messages.Ticket, part *messages.EncKDCRepPart) *ticket {
	return &ticket{client: client, server: Principal{t.SName, t.Realm}, ticket: t, key: part.Key,
		start: part.StartTime, end: part.EndTime, till: part.RenewTill}
}

func (c *Config) askAS(ctx context.Context, p Principal, request *messages.ASReq) (*messages.ASRep, error) {
	b, err := request.Marshal()
	if err != nil {
		return nil, err
	}
	if b, err = c.ask(ctx, p.Realm, b); err != nil {
		return nil, err
	}
	reply := new(messages.ASRep)
	if err := guard(func() error { return reply.Unmarshal(b) }); err != nil {
		return nil, fmt.Errorf("the KDC's reply to the login of %v cannot be read: %w", p, err)
	}
	return reply, nil
}

// preauthenticate adds to a request the time, encrypted with the client's key.
func preauthenticate(request *messages.ASReq, p Principal, s *secret, demand *messages.KRBError) error {
	key, kvno, err := s.key(p, demand)
	if err != nil {
		return err
	}
	stamp, err := types.GetPAEncTSEncAsnMarshalled()
	if err != nil {
		return err
	}
	sealed, err := crypto.GetEncryptedData(stamp, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP, kvno)
	if err != nil {
		return err
	}
	value, err := sealed.Marshal()
	if err != nil {
		return err
	}
	request.PAData = types.PADataSequence{{PADataType: patype.PA_ENC_TIMESTAMP, PADataValue: value}}
	return nil
}

// maxReferrals is how many realms a ticket may take.
const maxReferrals = 8

// serviceTicket gets a ticket for a service, whose realm may trust the client's through others.
func (c *Config) serviceTicket(ctx context.Context, tgt *ticket, service Principal) (*ticket, error) {
	if service.Realm != tgt.client.Realm {
		cross, err := c.exchange(ctx, tgt, Principal{ticketGranting(service.Realm), tgt.client.Realm}, false)
		if err != nil {
			return nil, c.ticketFault(tgt, service, err)
		}
		tgt = cross
	}
	for range maxReferrals {
		t, err := c.exchange(ctx, tgt, Principal{service.Name, realmOf(tgt)}, false)
		if err != nil {
			return nil, c.ticketFault(tgt, service, err)
		}
		if name := t.server.Name.NameString; len(name) != 2 || name[0] != "krbtgt" {
			return t, nil
		}
		tgt = t // of the next realm on the way
	}
	return nil, fmt.Errorf("no ticket for %v: the KDCs refer to each other without end", service)
}

// realmOf is the realm whose KDC accepts a ticket-granting ticket.
func realmOf(tgt *ticket) string {
	name := tgt.server.Name.NameString
	return name[len(name)-1]
}

func ticketGranting(realm string) types.PrincipalName {
	return types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST, NameString: []string{"krbtgt", realm}}
}

// renew gets a new ticket-granting ticket for one that is still valid.
func (c *Config) renew(ctx context.Context, tgt *ticket) (*ticket, error) {
	return c.exchange(ctx, tgt, Principal{ticketGranting(tgt.client.Realm), tgt.client.Realm}, true)
}

// exchange asks the KDC of server's realm for a ticket.
func (c *Config) exchange(ctx context.Context, tgt *ticket, server Principal, renewal bool) (*ticket, error) {
	request, err := messages.NewTGSReq(tgt.client.Name, server.Realm, c.Config, tgt.ticket, tgt.key, server.Name, renewal)
	if err != nil {
		return nil, err
	}
	b, err := request.Marshal()
	if err != nil {
		return nil, err
	}
	if b, err = c.ask(ctx, server.Realm, b); err != nil {
		return nil, err
	}
	reply := new(messages.TGSRep)
	err = guard(func() error {
		if err := reply.Unmarshal(b); err != nil {
			return err
		}
		if len(reply.Ticket.SName.NameString) == 0 {
			return errors.New("a ticket for nobody")
		}
		if err := reply.DecryptEncPart(tgt.key); err != nil {
			return err
		}
		_, err := reply.Verify(c.Config, request)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the KDC's reply with a ticket for %v is not valid: %w", server, err)
	}
	return newTicket(tgt.client, reply.Ticket, &reply.DecryptedEncPart), nil
}
