package certs

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/authority"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// securePort is the port for clients in the lines; 2281 is what ZooKeeper's documentation has.
const securePort = 2281

// serverLines are the lines of zoo.cfg that use a member's certificate, for clients and between members. They
// name PEM files, which need no password and which ZooKeeper reads since 3.5.5.
func (opt *newOptions) serverLines(file string) string {
	var out strings.Builder
	line := func(key, value string) { out.WriteString(zoocfg.Property(key, value)) }
	store, trust := filepath.ToSlash(opt.path(file+".pem")), filepath.ToSlash(opt.path(authority.CertFile))
	line("secureClientPort", strconv.Itoa(securePort))
	line("serverCnxnFactory", "org.apache.zookeeper.server.NettyServerCnxnFactory")
	line("authProvider.x509", "org.apache.zookeeper.server.auth.X509AuthenticationProvider")
	line("ssl.keyStore.location", store)
	line("ssl.trustStore.location", trust)
	line("client.certReload", "true")
	out.WriteString("# in an ensemble; to change a running one, see docs/security.md\n")
	line("sslQuorum", "true")
	line("ssl.quorum.keyStore.location", store)
	line("ssl.quorum.trustStore.location", trust)
	line("sslQuorumReloadCertFiles", "true")
	return out.String()
}

// profileLines are a profile for each client.
func (opt *newOptions) profileLines(holders []holder) string {
	var servers []string
	for _, h := range holders {
		if h.member > 0 {
			servers = append(servers, net.JoinHostPort(h.subject.Hosts[0], strconv.Itoa(securePort)))
		}
	}
	var out strings.Builder
	out.WriteString("profiles:\n")
	for _, h := range holders {
		if h.member == 0 {
			fmt.Fprintf(&out, "  %s:\n    server: %q\n    tls-truststore: %q\n    tls-keystore: %q\n", strconv.Quote(h.subject.Name), strings.Join(servers, ","),
				opt.path(authority.CertFile), opt.path(h.file+".pem"))
		}
	}
	return out.String()
}
