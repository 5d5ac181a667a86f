package krb5

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/sasl"
)

// Client is a principal that authenticates with services; it implements sasl.Mechanism. Its files
// are read anew for each exchange, so that a new kinit counts.
type Client struct {
	// Principal is name@REALM, or "": the owner of the cache, or the first one in the keytab. The
	// default realm is added.
	Principal string
	// The sources of a ticket, in the order in which they are tried: a credential cache, a keytab,
	// a password. Cache may be "" for the user's.
	UseCache  bool
	Cache     string
	UseKeytab bool
	Keytab    string                 // may be "" for the system's
	Password  func() (string, error) // may be nil

	Config func() (*Config, error)

	// Service is the first part of the servers' principals, Host replaces the second, and
	// Server both and the realm, if it has one.
	Service      string
	Server       string
	Realm        string // of the servers; "" for that of their domains, or the client's
	Canonicalize bool   // use the name that the DNS has for the server's address (zookeeper.sasl.client.canonicalize.hostname)

	// Now is the clock; it may be nil.
	Now func() time.Time
	// Log gets a line about tickets; it may be nil.
	Log func(format string, args ...any)

	owner atomic.Pointer[string] // once known
	mu    sync.Mutex             // one request to a KDC at a time
	tgt   *ticket                // from a keytab or a password, or a renewed one
	timer *time.Timer
}

// Name implements sasl.Mechanism.
func (c *Client) Name() string { return sasl.GSSAPI }

// Identity implements sasl.Mechanism.
func (c *Client) Identity() string {
	if owner := c.owner.Load(); owner != nil {
		return *owner
	}
	return escape.Line(c.Principal)
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) log(format string, args ...any) {
	if c.Log != nil {
		c.Log(format, args...)
	}
}

// Start implements sasl.Mechanism: it gets a ticket for the server.
func (c *Client) Start(ctx context.Context, host string, ip netip.Addr) (sasl.Exchange, error) {
	conf, err := c.Config()
	if err != nil {
		return nil, c.mistake(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.ticketFor(ctx, conf, host, ip)
	if err != nil {
		return nil, fmt.Errorf("Kerberos: %w", err)
	}
	owner := t.client.String()
	c.owner.Store(&owner)
	return &initiator{ticket: t}, nil
}

// mistake makes an error that no KDC and no server has a part in final. Once the client has authenticated it is not:
// a program that runs for long waits for a new kinit.
func (c *Client) mistake(err error) error {
	if c.owner.Load() != nil {
		return err
	}
	return &sasl.Refusal{What: err.Error(), Err: err}
}

// ticketFor returns a ticket for the service of a server; c.mu is held.
func (c *Client) ticketFor(ctx context.Context, conf *Config, host string, ip netip.Addr) (*ticket, error) {
	store, tgt, err := c.grant(ctx, conf)
	if err != nil {
		return nil, err
	}
	owner := tgt.client
	service, err := c.service(ctx, conf, owner.Realm, host, ip)
	if err != nil {
		return nil, err
	}
	if store != nil { // kinit and others leave tickets of services there, too
		for i := range store.entries {
			if e := &store.entries[i]; e.server.is(service) {
				if t, err := e.open(store.owner); err == nil && t.validAt(c.now()) && slices.Contains(sessionTypes, t.key.KeyType) {
					return t, nil
				}
			}
		}
	}
	c.log("asking for a ticket of %v for %v", owner, service)
	t, err := conf.serviceTicket(ctx, tgt, service)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(sessionTypes, t.key.KeyType) {
		return nil, fmt.Errorf("the ticket for %v has a session key of type %d; only AES can be used: give the service AES keys", service, t.key.KeyType)
	}
	return t, nil
}

// grant returns a valid ticket-granting ticket, and the cache that it comes from, if it does.
func (c *Client) grant(ctx context.Context, conf *Config) (*cache, *ticket, error) {
	var cacheErr error
	if c.UseCache {
		store, tgt, err := c.fromCache(conf)
		if err == nil {
			return store, tgt, nil
		}
		if cacheErr = err; !c.UseKeytab && c.Password == nil {
			return nil, nil, c.mistake(err)
		}
	}
	if c.tgt.validAt(c.now()) {
		return nil, c.tgt, nil
	}
	p, s, err := c.secret(conf)
	if err != nil {
		return nil, nil, c.mistake(errors.Join(err, cacheErr))
	}
	c.log("logging in %v", p)
	tgt, err := conf.login(ctx, p, s)
	if err != nil {
		return nil, nil, err
	}
	c.tgt = tgt
	return nil, tgt, nil
}

// fromCache returns the ticket-granting ticket in the cache or, if that has ended, what it was
// renewed to.
func (c *Client) fromCache(conf *Config) (*cache, *ticket, error) {
	store, err := readCache(conf.resolveCache(c.Cache))
	if err != nil {
		return nil, nil, err
	}
	if c.Principal != "" {
		want, err := c.principal(conf)
		if err != nil {
			return nil, nil, err
		}
		if !want.is(store.owner) {
			return nil, nil, fmt.Errorf("credential cache %s holds tickets of %v, not of %v; run kinit %v", escape.Line(store.name), store.owner, want, want)
		}
	}
	var tgt *ticket
	for i := range store.entries {
		e := &store.entries[i]
		if e.server.is(Principal{ticketGranting(store.owner.Realm), store.owner.Realm}) {
			if tgt, err = e.open(store.owner); err != nil {
				return nil, nil, fmt.Errorf("credential cache %s: %w", escape.Line(store.name), err)
			}
		}
	}
	switch {
	case tgt == nil:
		return nil, nil, fmt.Errorf("no Kerberos ticket in credential cache %s; run kinit", escape.Line(store.name))
	case c.tgt != nil && c.tgt.client.is(tgt.client) && c.tgt.end.After(tgt.end):
		tgt = c.tgt // renewed
	}
	if now := c.now(); !tgt.validAt(now) {
		return nil, nil, expired(tgt, store.name)
	} else if skew := tgt.start.Sub(now); skew > conf.LibDefaults.Clockskew {
		return nil, nil, skewFault("whoever issued the ticket in credential cache "+escape.Line(store.name), skew)
	}
	c.keep(tgt)
	return store, tgt, nil
}

func (e *cached) open(owner Principal) (*ticket, error) {
	t := &ticket{client: owner, server: e.server, key: e.key, start: e.start, end: e.end, till: e.till}
	if err := guard(func() error { return t.ticket.Unmarshal(e.ticket) }); err != nil {
		return nil, fmt.Errorf("its ticket for %v cannot be read; run kinit", e.server)
	}
	return t, nil
}

// keep renews a ticket in the background before it ends, for as long as its KDC allows. c.mu is
// held.
func (c *Client) keep(tgt *ticket) {
	if c.timer != nil || !tgt.till.After(tgt.end) {
		return
	}
	left := tgt.end.Sub(c.now())
	c.timer = time.AfterFunc(left*4/5, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		conf, err := c.Config()
		var renewed *ticket
		if err == nil {
			renewed, err = conf.renew(ctx, tgt)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.timer = nil
		if err != nil {
			c.log("the Kerberos ticket of %v could not be renewed: %v", tgt.client, err)
			return
		}
		c.log("renewed the Kerberos ticket of %v until %s", tgt.client, renewed.end.Local().Format("2006-01-02 15:04:05"))
		c.tgt = renewed
		c.keep(renewed)
	})
}

// principal returns the client's, with its realm.
func (c *Client) principal(conf *Config) (Principal, error) {
	p, err := ParsePrincipal(c.Principal)
	if err != nil {
		return p, err
	}
	if p.Realm == "" {
		p.Realm = conf.LibDefaults.DefaultRealm
	}
	if p.Realm == "" {
		return p, fmt.Errorf("principal %v has no realm, and %s sets no default_realm; use name@REALM", p, conf.named())
	}
	return p, nil
}

// secret returns who logs in, and with what.
func (c *Client) secret(conf *Config) (p Principal, s *secret, err error) {
	s = &secret{}
	if c.Principal != "" {
		if p, err = c.principal(conf); err != nil {
			return p, nil, err
		}
	}
	switch {
	case c.UseKeytab:
		name := c.Keytab
		if name == "" {
			name = conf.keytab
		}
		if name == "" {
			name = "/etc/krb5.keytab"
		}
		if s.keytab, err = ReadKeytab(expandTokens(name)); err != nil {
			return p, nil, err
		}
		if c.Principal == "" {
			p = s.keytab.Principals()[0]
			p.Name.NameType = nametype.KRB_NT_PRINCIPAL
		}
		_, err = s.keytab.types(p)
	case c.Principal == "":
		err = errors.New("a login with a password needs a principal (-principal)")
	default:
		s.password, err = c.Password()
	}
	return p, s, err
}

// service returns the principal of a server (SaslServerPrincipal).
func (c *Client) service(ctx context.Context, conf *Config, clientRealm, host string, ip netip.Addr) (Principal, error) {
	if c.Canonicalize && ip.IsValid() && c.Server == "" {
		host = canonical(ctx, host, ip)
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	p := Principal{Name: types.PrincipalName{NameString: []string{c.Service, host}}, Realm: c.Realm}
	if c.Server != "" {
		explicit, err := ParsePrincipal(c.Server)
		if err != nil {
			return p, fmt.Errorf("zookeeper.server.principal: %w", err)
		}
		p.Name = explicit.Name
		if explicit.Realm != "" {
			p.Realm = explicit.Realm
		}
		if names := p.Name.NameString; len(names) > 1 {
			host = names[1]
		}
	}
	p.Name.NameType = nametype.KRB_NT_SRV_HST
	if p.Realm == "" {
		p.Realm = conf.ResolveRealm(host)
	}
	if p.Realm == "" {
		p.Realm = clientRealm
	}
	return p, nil
}

// canonical returns the name that the DNS has for an address, if that name has this address, as
// Java's InetAddress.getCanonicalHostName does; otherwise the host as it is.
func canonical(ctx context.Context, host string, ip netip.Addr) string {
	names, err := net.DefaultResolver.LookupAddr(ctx, ip.Unmap().String())
	if err != nil || len(names) == 0 {
		return host
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", names[0])
	if err != nil || !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Unmap() == ip.Unmap() }) {
		return host
	}
	return names[0]
}

// initiator is the client's half of an exchange.
type initiator struct {
	ticket *ticket
	step   int
	auth   types.Authenticator
	key    types.EncryptionKey // of wrap tokens
	asked  byte                // acceptorsKey if the key is the server's
}

// Doubt implements sasl.Exchange.
func (x *initiator) Doubt() string {
	return fmt.Sprintf("the server may not have the key of %v, which the ticket is for, in its keytab, or its clock differs by more than five minutes; its log says which", x.ticket.server)
}

// Step implements sasl.Exchange.
func (x *initiator) Step(token []byte) (answer []byte, done bool, err error) {
	x.step++
	switch x.step {
	case 1:
		answer, err = x.request()
	case 2:
		err = guard(func() error { return x.verify(token) })
		answer = []byte{}
	case 3:
		answer, err = x.layer(token)
	case 4: // after the server has accepted the layer
		if len(token) > 0 {
			return nil, false, errors.New("the server sent a token after the end of the exchange")
		}
		return nil, true, nil
	default:
		err = errors.New("the exchange is over")
	}
	if err != nil {
		x.step = 4
		return nil, false, err
	}
	return answer, false, nil
}

// request makes the first token.
func (x *initiator) request() ([]byte, error) {
	auth, err := types.NewAuthenticator(x.ticket.client.Realm, x.ticket.client.Name)
	if err != nil {
		return nil, err
	}
	// The size that gokrb5 has for aes256-cts-hmac-sha384-192 is wrong.
	if err := auth.GenerateSeqNumberAndSubKey(x.ticket.key.KeyType, len(x.ticket.key.KeyValue)); err != nil {
		return nil, err
	}
	auth.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: contextChecksum(flagMutual | flagReplay | flagSequence | flagConf | flagInteg)}
	request, err := messages.NewAPReq(x.ticket.ticket, x.ticket.key, auth)
	if err != nil {
		return nil, err
	}
	types.SetFlag(&request.APOptions, flags.APOptionMutualRequired)
	b, err := request.Marshal()
	if err != nil {
		return nil, err
	}
	x.auth, x.key = auth, auth.SubKey
	return frameToken(tokenAPReq, b), nil
}

// verify checks the server's proof that it could read the ticket.
func (x *initiator) verify(token []byte) error {
	kind, message, err := unframeToken(token)
	if err != nil {
		return err
	}
	if kind == tokenError {
		var e messages.KRBError
		if err := e.Unmarshal(message); err != nil {
			return errors.New("the server reports an error of Kerberos that cannot be read")
		}
		return &sasl.Refusal{What: fmt.Sprintf("the server refuses the ticket for %v: %s", x.ticket.server, refusal(&e)), Err: &e}
	}
	if kind != tokenAPRep {
		return fmt.Errorf("the server sent a token of kind %#04x instead of its proof (AP-REP)", kind)
	}
	var reply messages.APRep
	if err := reply.Unmarshal(message); err != nil {
		return errors.New("the server's proof (AP-REP) cannot be read")
	}
	b, err := crypto.DecryptEncPart(reply.EncPart, x.ticket.key, keyusage.AP_REP_ENCPART)
	if err != nil {
		return errors.New("the server's proof (AP-REP) is wrong: it does not know the key of the ticket")
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(b); err != nil {
		return errors.New("the server's proof (AP-REP) cannot be read")
	}
	if part.CTime.Unix() != x.auth.CTime.Unix() || part.Cusec != x.auth.Cusec {
		return errors.New("the server's proof (AP-REP) belongs to another request")
	}
	if len(part.Subkey.KeyValue) > 0 {
		x.key, x.asked = part.Subkey, acceptorsKey
	}
	return nil
}

// layer accepts that there is no security layer.
func (x *initiator) layer(token []byte) ([]byte, error) {
	offer, err := unwrap(token, x.key, fromAcceptor|x.asked)
	if err != nil {
		return nil, err
	}
	switch {
	case len(offer) != 4:
		return nil, fmt.Errorf("the server's offer of security layers is %d bytes long instead of 4", len(offer))
	case offer[0]&noLayer == 0:
		return nil, errors.New("the server demands a security layer, which ZooKeeper's clients do not have")
	}
	// The name is that of Java's client.
	choice := append([]byte{noLayer, 0, 0, 0}, x.ticket.client.Name.PrincipalNameString()+"@"+x.ticket.client.Realm...)
	return wrap(choice, x.key, x.asked, uint64(x.auth.SeqNumber))
}
