package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/authority"
	"github.com/zkctl/zkctl/internal/tlsstore"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// securePort is the port for clients in the lines; 2281 is what ZooKeeper's documentation has.
const securePort = 2281

// serverLines are the lines of zoo.cfg that use a member's certificate, for clients and between members. They
// name PEM files, which need no password and which ZooKeeper reads since 3.5.5.
func (opt *newOptions) serverLines(h holder) string {
	var out strings.Builder
	line := func(key, value string) { out.WriteString(zoocfg.Property(key, value)) }
	store, trust := filepath.ToSlash(opt.path(h.file+".pem")), filepath.ToSlash(opt.path(authority.CertFile))
	out.WriteString("# clientPort stays open for connections without TLS until you remove it\n")
	line("secureClientPort", strconv.Itoa(securePort))
	line("secureClientPortAddress", opt.address(h)) // without it, zkctl server serves this machine alone
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

// address is where a member serves clients: at its address if it has only one, else at all of its machine's.
func (opt *newOptions) address(h holder) string {
	var found []net.IP
	for _, host := range h.subject.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			found = append(found, ip)
		}
	}
	shared := opt.members > 1 && opt.members != len(opt.hosts) // so it can be another member's
	if len(found) == 1 && (!shared || found[0].IsLoopback()) {
		return found[0].String()
	}
	return net.IPv4zero.String()
}

// profileLines are a profile for each client in the folder, with all members in it.
func (opt *newOptions) profileLines(holders []holder) (string, error) {
	var servers []string
	for n := 1; n <= maxMembers; n++ {
		file := fmt.Sprintf("member-%d", n)
		host, err := opt.hostOf(file, holders)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if host != "" {
			servers = append(servers, net.JoinHostPort(host, strconv.Itoa(securePort)))
		}
	}
	clients, err := opt.clientsThere()
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString("profiles:\n")
	for _, name := range clients {
		fmt.Fprintf(&out, "  %s:\n    server: %q\n    tls-truststore: %q\n    tls-keystore: %q\n", strconv.Quote(name), strings.Join(servers, ","),
			opt.path(authority.CertFile), opt.path("client-"+name+".pem"))
	}
	return out.String(), nil
}

// clientsThere are the names of the clients in the folder.
func (opt *newOptions) clientsThere() (names []string, err error) {
	entries, err := os.ReadDir(opt.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, pem := strings.CutSuffix(e.Name(), ".pem")
		name, client := strings.CutPrefix(name, "client-")
		if pem && client && isClientName(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// hostOf is the host under which clients reach the member: the first that was asked for, if its certificate is for
// that, else the first of its certificate.
func (opt *newOptions) hostOf(file string, holders []holder) (string, error) {
	if _, err := os.Stat(opt.path(file + ".pem")); err != nil {
		return "", err
	}
	chain, _, err := (&tlsstore.Store{File: opt.path(file + ".pem")}).Inspect()
	if err != nil || len(chain) == 0 {
		return "", err
	}
	for _, h := range holders {
		if h.file == file && chain[0].VerifyHostname(h.subject.Hosts[0]) == nil {
			return h.subject.Hosts[0], nil
		}
	}
	switch cert := chain[0]; {
	case len(cert.DNSNames) > 0:
		return cert.DNSNames[0], nil
	case len(cert.IPAddresses) > 0:
		return cert.IPAddresses[0].String(), nil
	}
	return "", nil
}
