package ensembles

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/sasl/kdctest"
	"github.com/zkctl/zkctl/localserver"
)

// requireSASL are the lines of zoo.cfg with which members accept only each other.
var requireSASL = []string{"quorum.auth.enableSasl=true", "quorum.auth.learnerRequireSasl=true", "quorum.auth.serverRequireSasl=true"}

// mixtures are how many of three members are Apache's: usually one number, each of 1 and 2 in long runs.
func mixtures(usually int) []int {
	if *long > 0 {
		return []int{1, 2}
	}
	return []int{usually}
}

// Members that authenticate to each other elect, replicate, and survive the loss of each of them, whatever their kind.
func TestMembersWithSASL(t *testing.T) {
	t.Parallel()
	for _, java := range mixtures(1) {
		t.Run(fmt.Sprintf("%d of 3 are Apache", java), func(t *testing.T) {
			t.Parallel()
			jaas := writeFile(t, "jaas.conf", `
				QuorumServer { org.apache.zookeeper.server.auth.DigestLoginModule required user_member="secret"; };
				QuorumLearner { org.apache.zookeeper.server.auth.DigestLoginModule required username="member" password="secret"; };`)
			opt := localserver.Options{Size: 3, Apache: java, System: map[string]string{"java.security.auth.login.config": jaas}}
			loseEach(begin(t, opt, requireSASL...))
		})
	}
}

// The same with Kerberos.
func TestMembersWithKerberos(t *testing.T) {
	t.Parallel()
	kdc := kdctest.Start(t)
	keytab := kdc.Keytab(t, "members.keytab", "zkquorum/127.0.0.1")
	module := `com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true useTicketCache=false
		keyTab="` + keytab + `" principal="zkquorum/127.0.0.1@` + kdctest.Realm + `";`
	jaas := writeFile(t, "jaas.conf", "QuorumServer { "+module+" };\nQuorumLearner { "+module+" };\n")
	for _, java := range mixtures(2) {
		t.Run(fmt.Sprintf("%d of 3 are Apache", java), func(t *testing.T) {
			t.Parallel()
			opt := localserver.Options{Size: 3, Apache: java, System: map[string]string{"java.security.auth.login.config": jaas, "java.security.krb5.conf": kdc.Conf}}
			loseEach(begin(t, opt, append([]string{"quorum.auth.kerberos.servicePrincipal=zkquorum/_HOST"}, requireSASL...)...))
		})
	}
}

// The same with TLS beneath.
func TestMembersWithSASLAndTLS(t *testing.T) {
	t.Parallel()
	for _, java := range mixtures(1) {
		t.Run(fmt.Sprintf("%d of 3 are Apache", java), func(t *testing.T) {
			t.Parallel()
			loseEach(begin(t, localserver.Options{Size: 3, Apache: java, QuorumSASL: true, QuorumTLS: true}))
		})
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// loseEach kills one member after the other, while clients write.
func loseEach(s *subject) {
	s.t.Helper()
	s.awaitAll()
	l := s.write(2)
	l.progress(20)
	for _, m := range s.Members() {
		s.kill(m)
		s.awaitAll()
		l.progress(20)
		s.start(m)
		s.awaitAll()
	}
	l.progress(20)
	l.end()
	l.check(s.compareTrees())
	for _, m := range s.Members() {
		if log := s.logOf(m); !strings.Contains(log, "Successfully completed the authentication using SASL") {
			s.t.Errorf("member %d (%s) authenticated nobody", m.ID(), m.Engine())
		}
	}
}
