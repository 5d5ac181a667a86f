package zkserver

import (
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/lazyre"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

var digits = lazyre.New(`^[0-9]+$`)

// patience is how long a server may take to say what it does (FourLetterWordMain).
const patience = 5 * time.Second

// status asks the server for its mode. It finds the port where the script does, and says so
// with its words.
func (s *server) status(ctx context.Context) error {
	host, port, secure, err := s.clientPort()
	if err != nil || port == "" {
		return err
	}
	if err := s.say("Client port found: %s. Client address: %s. Client SSL: %v.\n", port, host, secure); err != nil {
		return err
	}
	if host == "0.0.0.0" || host == "::" {
		host = "localhost"
	}
	var cfg *tls.Config
	if secure {
		cfg, err = s.clientTLS()
	}
	answer := ""
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		answer, err = localserver.FourLetterWord(ctx, net.JoinHostPort(host, port), "srvr", cfg)
	}
	for _, line := range strings.Split(answer, "\n") {
		if strings.Contains(line, "Mode") {
			return s.say("%s\n", line)
		}
	}
	if secure {
		if err := s.say(secureNote, port); err != nil {
			return err
		}
		if err != nil {
			ui.Report(s.streams.Err, err)
		}
	}
	if err := s.say("Error contacting service. It is probably not running.\n"); err != nil {
		return err
	}
	return &ui.ExitError{Code: ui.ExitFailed}
}

const secureNote = ` 
Note: We used secureClientPort (%s) to establish connection, but we failed. The 'status'
  command establishes a client connection to the server to execute diagnostic commands. Please make sure you
  provided all the Client SSL connection related parameters in the CLIENT_JVMFLAGS environment variable! E.g.:
  CLIENT_JVMFLAGS="-Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty
  -Dzookeeper.ssl.trustStore.location=/tmp/clienttrust.jks -Dzookeeper.ssl.trustStore.password=password
  -Dzookeeper.ssl.keyStore.location=/tmp/client.jks -Dzookeeper.ssl.keyStore.password=password
  -Dzookeeper.client.secure=true" zkctl server status
 
`

// clientPort looks for the port in zoo.cfg, then in this server's line there, then in that of
// the dynamic file, then for the one with TLS.
func (s *server) clientPort() (host, port string, secure bool, err error) {
	host, port = or(key(s.text, "clientPortAddress"), "localhost"), key(s.text, "clientPort")
	if !digits().MatchString(port) {
		port = ""
		text, _ := infile.Regular(filepath.Join(s.data, "myid"))
		myid := strings.TrimSpace(string(text))
		if !digits().MatchString(myid) {
			err = s.say("myid could not be determined, will not able to locate clientPort in the server configs.\n")
		} else {
			client := clientOf(s.text, myid)
			if client == "" {
				if err := s.say("Client port not found in static config file. Looking in dynamic config file.\n"); err != nil {
					return "", "", false, err
				}
				text, _ := infile.Regular(key(s.text, "dynamicConfigFile"))
				client = clientOf(string(text), myid)
			}
			if client == "" {
				err = s.say("Client port not found in the server configs\n")
			} else if i := strings.LastIndexByte(client, ':'); i >= 0 {
				host, port = strings.Trim(client[:i], "[]"), client[i+1:]
			} else {
				port = client
			}
		}
	}
	if port != "" || err != nil {
		return host, port, false, err
	}
	if err := s.say("Client port not found. Looking for secureClientPort in the static config.\n"); err != nil {
		return "", "", false, err
	}
	if port = key(s.text, "secureClientPort"); port == "" {
		if err := s.say("Unable to find either secure or unsecure client port in any configs. Terminating.\n"); err != nil {
			return "", "", false, err
		}
		return "", "", false, &ui.ExitError{Code: ui.ExitFailed}
	}
	return or(key(s.text, "secureClientPortAddress"), "localhost"), port, true, nil
}

// clientOf returns the part after the ; of a server's line.
func clientOf(text, myid string) string {
	line := key(text, "server."+myid)
	i := strings.LastIndexByte(line, ';')
	if i < 0 {
		return ""
	}
	return line[i+1:]
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// clientTLS is what CLIENT_JVMFLAGS says of TLS.
func (s *server) clientTLS() (*tls.Config, error) {
	var p client.Properties
	if err := p.LoadSystem("CLIENT_JVMFLAGS", s.env.Client); err != nil {
		return nil, err
	}
	return p.TLS.Config()
}
