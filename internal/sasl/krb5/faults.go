package krb5

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/messages"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/sasl"
)

// refusal names an error of a KDC for which nothing better is known.
func refusal(e *messages.KRBError) string {
	text := errorcode.Lookup(e.ErrorCode)
	if e.EText != "" {
		text += ": " + e.EText
	}
	return escape.Line(text)
}

// skewFault is the error for a clock that differs by more than Kerberos allows; skew is how far the
// other one is ahead.
func skewFault(whose string, skew time.Duration) error {
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	return fmt.Errorf("clock skew: the clock of %s is %v %s this machine's, more than Kerberos allows (5m); set the clocks (chronyc, ntpd)",
		whose, skew.Abs().Round(time.Second), direction)
}

// loginFault explains why a KDC refuses to log in.
func (c *Config) loginFault(p Principal, s *secret, err error) error {
	var e *messages.KRBError
	if !errors.As(err, &e) {
		return err
	}
	realm := escape.Line(p.Realm)
	final := func(format string, args ...any) error {
		return &sasl.Refusal{What: fmt.Sprintf(format, args...), Err: e}
	}
	switch e.ErrorCode {
	case errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN:
		return final("the KDC of %s does not know the principal %v; check its name and realm", realm, p)
	case errorcode.KDC_ERR_PREAUTH_FAILED:
		return final("%s", wrongSecret(p, s))
	case errorcode.KRB_AP_ERR_SKEW:
		return skewFault("the KDC of "+realm, time.Until(e.STime))
	case errorcode.KDC_ERR_CLIENT_REVOKED:
		return final("the KDC of %s has locked or expired the principal %v", realm, p)
	case errorcode.KDC_ERR_KEY_EXPIRED:
		return final("the password of %v has expired; change it with kpasswd", p)
	case errorcode.KDC_ERR_WRONG_REALM:
		return final("the KDC of %s says that %v belongs to another realm (%s)", realm, p, escape.Line(e.CRealm))
	case errorcode.KDC_ERR_ETYPE_NOSUPP:
		return final("the KDC of %s has no key of %v of an encryption type that can be used; give it AES keys", realm, p)
	}
	return fmt.Errorf("the KDC of %s refuses to log in %v: %s", realm, p, refusal(e))
}

func wrongSecret(p Principal, s *secret) string {
	if s.keytab != nil {
		return fmt.Sprintf("the key of %v in keytab %s is not that of the KDC; its password was changed after the export; export it anew", p, escape.Line(s.keytab.Name))
	}
	return fmt.Sprintf("the password of %v is wrong", p)
}

// ticketFault explains why a KDC gives no ticket for a service.
func (c *Config) ticketFault(tgt *ticket, service Principal, err error) error {
	var e *messages.KRBError
	if !errors.As(err, &e) {
		return err
	}
	switch e.ErrorCode {
	case errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN:
		if service.Realm != tgt.client.Realm && realmOf(tgt) == tgt.client.Realm {
			return fmt.Errorf("no ticket for %v: the realm %s of %v does not trust the realm %s; check [domain_realm] in %s",
				service, escape.Line(tgt.client.Realm), tgt.client, escape.Line(service.Realm), c.named())
		}
		hint := "if it has another name, set -sasl-service, -sasl-canonicalize=false or zookeeper.server.principal"
		if names := service.Name.NameString; net.ParseIP(names[len(names)-1]) != nil {
			hint = "connect by the server's name, not its address"
		}
		return fmt.Errorf("the KDC of %s does not know the service %v, under which this server was expected; %s", escape.Line(realmOf(tgt)), service, hint)
	case errorcode.KRB_AP_ERR_SKEW, errorcode.KRB_AP_ERR_TKT_NYV:
		return skewFault("the KDC of "+escape.Line(realmOf(tgt)), time.Until(e.STime))
	case errorcode.KRB_AP_ERR_TKT_EXPIRED:
		if skew := time.Until(e.STime); skew.Abs() > c.LibDefaults.Clockskew {
			return skewFault("the KDC of "+escape.Line(realmOf(tgt)), skew)
		}
		return expired(tgt, "")
	case errorcode.KDC_ERR_ETYPE_NOSUPP:
		return fmt.Errorf("the KDC of %s has no AES key of the service %v; only AES can be used: give it AES keys, and export its keytab anew", escape.Line(realmOf(tgt)), service)
	case errorcode.KDC_ERR_POLICY:
		return fmt.Errorf("the policy of the KDC of %s forbids %v to use %v", escape.Line(realmOf(tgt)), tgt.client, service)
	}
	return fmt.Errorf("the KDC of %s gives no ticket for %v: %s", escape.Line(realmOf(tgt)), service, refusal(e))
}

// expired is the error for a ticket-granting ticket that is no longer valid; in is the name of its
// cache or "".
func expired(t *ticket, in string) error {
	if in != "" {
		in = " in credential cache " + escape.Line(in)
	}
	return fmt.Errorf("the Kerberos ticket of %v%s expired at %s; run kinit", t.client, in, t.end.Local().Format("2006-01-02 15:04:05"))
}
