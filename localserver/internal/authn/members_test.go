package authn

import (
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

const memberUsers = `
	QuorumServer { org.apache.zookeeper.server.auth.DigestLoginModule required user_member="secret"; };
	QuorumLearner { org.apache.zookeeper.server.auth.DigestLoginModule required username="member" password="secret"; };
	Wrong { org.apache.zookeeper.server.auth.DigestLoginModule required username="member" password="x"; };
	Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_x="y"; };
	Cache { com.sun.security.auth.module.Krb5LoginModule required principal="zkquorum/a@R"; };
	Empty { };`

func TestMembers(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*zoocfg.Config)
		say     string // of the error at the start
		refused bool
		silent  bool // it does not authenticate
		none    bool // nobody does
	}{
		"all":                  {},
		"off":                  {change: func(c *zoocfg.Config) { c.QuorumSASL = zoocfg.QuorumSASL{} }, none: true},
		"only those that must": {change: func(c *zoocfg.Config) { c.QuorumSASL.LearnerRequires = false }, silent: true},
		"a wrong password":     {change: func(c *zoocfg.Config) { c.QuorumSASL.LearnerSection = "Wrong" }, refused: true},
		"no file":              {change: func(c *zoocfg.Config) { c.SASL.LoginFile = "" }, say: "needs a JAAS file with the sections QuorumServer and QuorumLearner"},
		"no server's section":  {change: func(c *zoocfg.Config) { c.QuorumSASL.ServerSection = "QuorumServr" }, say: "did you mean QuorumServer?"},
		"no learner's section": {change: func(c *zoocfg.Config) { c.QuorumSASL.LearnerSection = "Nobody" }, say: `no section "Nobody"`},
		"a server's section":   {change: func(c *zoocfg.Config) { c.QuorumSASL.LearnerSection = "Server" }, say: "has no username"},
		"no source of tickets": {change: func(c *zoocfg.Config) { c.QuorumSASL.LearnerSection = "Cache" }, say: `needs useKeyTab=true keyTab="/path/to/keytab", or useTicketCache=true`},
		"an empty section":     {change: func(c *zoocfg.Config) { c.QuorumSASL.LearnerSection = "Empty" }, say: `section "Empty" is empty`},
	} {
		s := source(t, memberUsers)
		s.Config.QuorumSASL.Enabled, s.Config.QuorumSASL.LearnerRequires, s.Config.QuorumSASL.ServerRequires = true, true, true
		if c.change != nil {
			c.change(s.Config)
		}
		auth, err := s.Members()
		if c.say == "" && err != nil || c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)) {
			t.Errorf("%s: %v, without %q", name, err, c.say)
		}
		if err != nil {
			continue
		}
		if (auth == nil) != c.none || auth != nil && (auth.Connect == nil) != c.silent {
			t.Errorf("%s: %+v", name, auth)
		}
		if auth == nil || auth.Connect == nil {
			continue
		}
		client, err := auth.Connect(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		server := auth.Accept([]string{"a"})
		var token []byte
		for done := false; !done && err == nil; {
			if token, _, err = client.Step(token); err == nil {
				token, done, err = server.Step(token)
			}
		}
		if (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Only a principal whose host is that of a member may join, and only as itself.
func TestMemberPrincipals(t *testing.T) {
	for user, want := range map[string]bool{"zkquorum/a@R": true, "zkquorum/b@R": true, "zkquorum/c@R": false, "zkquorum@R": false, "a": false, "zkquorum/a": false, "": false, "x/zkquorum/a@R": false} {
		m := &member{exchange: proved{user, user}, kerberos: true, hosts: []string{"a", "b"}}
		if _, done, err := m.Step(nil); done != want || (err == nil) != want {
			t.Errorf("%q: %v, %v", user, done, err)
		}
	}
	for _, kerberos := range []bool{false, true} {
		m := &member{exchange: proved{"zkquorum/a@R", "zkquorum/b@R"}, kerberos: kerberos, hosts: []string{"a", "b"}}
		if _, done, err := m.Step(nil); done || err == nil {
			t.Errorf("it may act as another: %v, %v", done, err)
		}
	}
	m := &member{exchange: proved{"member", "member"}}
	if _, done, err := m.Step(nil); !done || err != nil {
		t.Errorf("a user of DIGEST-MD5: %v, %v", done, err)
	}
}
