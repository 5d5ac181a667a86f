package local

import (
	"crypto/rand"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/sasl/jaas"
)

// The sections of a JAAS file for the clients of a server with SASL: an ordinary user, and one with all permissions.
const (
	ClientSection = "Client"
	SuperSection  = "Super"
)

// The users of a server with SASL.
const (
	clientUser = "client"
	superUser  = "super"
)

// UseSASL lets clients and members of a new server authenticate, with random passwords.
func (s *Spec) UseSASL() {
	s.SASLUsers = map[string]string{clientUser: rand.Text(), superUser: rand.Text()}
	s.QuorumSASL = s.Size > 1
	if s.Properties = maps.Clone(s.Properties); s.Properties == nil {
		s.Properties = map[string]string{}
	}
	if s.Properties["superUser"] == "" {
		s.Properties["superUser"] = superUser
	}
}

func (s *Server) loginFile() string { return filepath.Join(s.dir, "jaas.conf") }

// writeLogin writes the JAAS file of a server with SASL. Only its owner can read it.
func (s *Server) writeLogin() error {
	if len(s.Spec.SASLUsers) == 0 {
		return nil
	}
	text := ""
	for _, section := range []struct{ name, user string }{{ClientSection, clientUser}, {SuperSection, superUser}} {
		one, err := jaas.ClientText(section.name, section.user, s.Spec.SASLUsers[section.user])
		if err != nil {
			return err
		}
		text += one
	}
	if err := atomicfile.Write(s.loginFile(), []byte(text)); err != nil {
		return fmt.Errorf("write the login of clients of the local server %s: %w", s.Name, err)
	}
	return nil
}

// Login returns the JAAS file with which clients of a server authenticate; its name may be followed by a chroot. It is ""
// for a server without SASL, and for one that does not exist.
func (h Home) Login(text string) string {
	name, _, _ := strings.Cut(text, "/")
	if s, err := h.Load(name); err == nil && len(s.Spec.SASLUsers) > 0 {
		return s.loginFile()
	}
	return ""
}
