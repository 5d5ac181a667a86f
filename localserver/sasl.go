package localserver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/zkctl/zkctl/internal/sasl/jaas"
	"github.com/zkctl/zkctl/internal/tempdir"
)

// loginConfig is the system property that names the JAAS file of a server.
const loginConfig = "java.security.auth.login.config"

// Settings that SASLUsers and QuorumSASL choose.
const (
	saslProvider = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
	quorumSASL   = "quorum.auth.enableSasl"
)

func (o *Options) usesSASL() bool { return len(o.SASLUsers) > 0 || o.QuorumSASL }

func (o *Options) checkSASL() error {
	switch {
	case o.usesSASL() && (o.System[loginConfig] != "" || o.Properties[loginConfig] != ""):
		return fmt.Errorf("the options SASLUsers and QuorumSASL choose %s themselves", loginConfig)
	case o.QuorumSASL && o.Size < 2:
		return errors.New("the option QuorumSASL needs an ensemble with at least 2 voting members")
	case o.QuorumSASL && o.Properties[quorumSASL] != "":
		return fmt.Errorf("the option QuorumSASL chooses %s itself", quorumSASL)
	}
	_, err := jaas.ServerText("Server", o.SASLUsers)
	return err
}

// login writes the JAAS file and sets what makes the members use it.
func (e *Ensemble) login() (err error) {
	if !e.opt.usesSASL() {
		return nil
	}
	if e.logins, err = tempdir.Make("local-sasl"); err != nil {
		return err
	}
	file := filepath.Join(e.logins.Path(), "jaas.conf")
	text := ""
	if len(e.opt.SASLUsers) > 0 {
		if text, err = jaas.ServerText("Server", e.opt.SASLUsers); err != nil {
			return err
		}
		e.base["authProvider.sasl"] = saslProvider
	}
	if e.opt.QuorumSASL {
		const user = "member"
		password := rand.Text()
		server, err := jaas.ServerText("QuorumServer", map[string]string{user: password})
		if err != nil {
			return err
		}
		learner, err := jaas.ClientText("QuorumLearner", user, password)
		if err != nil {
			return err
		}
		text += server + learner
		for _, key := range []string{quorumSASL, "quorum.auth.learnerRequireSasl", "quorum.auth.serverRequireSasl"} {
			e.base[key] = "true"
		}
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the JAAS file of the members: %w", err)
	}
	if e.opt.System = maps.Clone(e.opt.System); e.opt.System == nil {
		e.opt.System = map[string]string{}
	}
	e.opt.System[loginConfig] = filepath.ToSlash(file)
	return nil
}
