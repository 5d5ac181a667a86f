package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/tlsstore"
	"github.com/zkctl/zkctl/internal/ui"
)

// atOnce is how many servers are asked at the same time.
const atOnce = 16

type checkOptions struct {
	streams      *ui.Streams
	connect      connect
	targets      []string
	days         int
	timeout      time.Duration
	passwordFile string
	output       string
}

func newCheckCommand(s *ui.Streams, connect connect, run func(context.Context, *checkOptions) error) *cobra.Command {
	opt := &checkOptions{streams: s, connect: connect}
	c := &cobra.Command{
		Use:               "check HOST:PORT|FILE…",
		ValidArgsFunction: command.Takes(command.File, 0, 0),
		Short:             "check the certificates of servers and files",
		Long: `Print the certificates that a port presents or a file holds: whom they are for, who
signed them, when they expire. Of a port, print also the protocol and the cipher that
were agreed on, whether a client certificate is asked for, whether the certificate
names the host, and whether the authorities in -tls-truststore (or, without it, the
system's) vouch for it. Any port that speaks TLS can be checked: a secure client port,
a quorum port, an AdminServer.`,
		Annotations: command.Exits{0: "nothing is wrong", 1: "a target cannot be checked, its certificate is rejected, or something has expired or will within --days"}.Note(),
		Example: `  zkctl certs check zk1:2281 zk2:2281 zk3:2281
  zkctl -tls-truststore ca.pem certs check zk1:2281 --days 60 -o json
  zkctl certs check keystore.p12 truststore.jks --password-file secret`,
		Args: func(_ *cobra.Command, words []string) error {
			if len(words) == 0 {
				return errors.New("missing target, such as: zkctl certs check zk1:2281 (or a file)")
			}
			return checkDays(opt.days)
		},
		RunE: func(c *cobra.Command, words []string) error {
			opt.targets = words
			return run(c.Context(), opt)
		},
	}
	fs := c.Flags()
	fs.IntVar(&opt.days, "days", 30, "fail if a certificate expires within this many `days`")
	fs.DurationVar(&opt.timeout, "timeout", 5*time.Second, "`time` that a server may take")
	fs.StringVar(&opt.passwordFile, "password-file", "", "`file` with the password of the stores")
	fs.StringVarP(&opt.output, "output", "o", string(ui.Text), "text or json: one object per target")
	return c
}

// finding is what there is to say about a target.
type finding struct {
	Target       string        `json:"target"`
	Kind         string        `json:"kind"` // server or file
	Protocol     string        `json:"protocol,omitempty"`
	Cipher       string        `json:"cipher,omitempty"`
	ClientAuth   string        `json:"clientCertificate,omitempty"`
	PrivateKey   *bool         `json:"privateKey,omitempty"` // of a file
	Trusted      *bool         `json:"trusted,omitempty"`    // of a server; absent if no authorities are given and the system's do not vouch for it
	HostMatches  *bool         `json:"hostMatches,omitempty"`
	Certificates []certificate `json:"certificates"`
	Faults       []string      `json:"faults"`
	Notes        []string      `json:"notes"`
}

// certificate is one of a chain.
type certificate struct {
	Subject   string   `json:"subject"`
	Issuer    string   `json:"issuer"`
	Names     []string `json:"names"`
	NotBefore int64    `json:"notBefore"` // ms since 1970
	NotAfter  int64    `json:"notAfter"`
	DaysLeft  int      `json:"daysLeft"`
	Key       string   `json:"key"`
	Signature string   `json:"signature"`
	Serial    string   `json:"serial"`
}

func (f *finding) fault(format string, args ...any) {
	f.Faults = append(f.Faults, fmt.Sprintf(format, args...))
}

func (f *finding) note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

func runCheck(ctx context.Context, opt *checkOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	if opt.timeout <= 0 {
		return errors.New("--timeout must be more than 0")
	}
	var cfg client.Config
	for _, target := range opt.targets {
		if isFile(target) {
			continue
		}
		if err := checkHostPort(target); err != nil {
			return err
		}
		if cfg.Servers == "" {
			if cfg, err = opt.connect(); err != nil {
				return err
			}
		}
	}
	findings := make([]*finding, len(opt.targets))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, target := range opt.targets {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if isFile(target) {
				findings[i] = opt.checkFile(target)
			} else {
				findings[i] = opt.checkServer(ctx, target, &cfg)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	bad := 0
	for _, f := range findings {
		if len(f.Faults) > 0 {
			bad++
		}
	}
	if err := printFindings(opt.streams, format, findings); err != nil {
		return err
	}
	if bad > 0 {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return nil
}

func isFile(target string) bool {
	_, err := os.Stat(target)
	return err == nil
}

func checkHostPort(target string) error {
	host, port, err := net.SplitHostPort(target)
	if n, numErr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || numErr != nil || n == 0 {
		return fmt.Errorf("%q is neither a file nor host:port, such as zk1:2281", target)
	}
	return nil
}

func (opt *checkOptions) checkFile(name string) *finding {
	f := &finding{Target: name, Kind: "file"}
	store := tlsstore.Store{File: name, PasswordFile: opt.passwordFile}
	certs, key, err := store.Inspect()
	if err != nil {
		f.fault("%v", err)
		return f
	}
	f.PrivateKey = &key
	opt.judge(f, certs, false)
	return f
}

// judge describes certificates and finds what is wrong with them by themselves. presented means that a
// server presents them, its own first.
func (opt *checkOptions) judge(f *finding, certs []*x509.Certificate, presented bool) {
	now := time.Now()
	for i, c := range certs {
		left := c.NotAfter.Sub(now)
		f.Certificates = append(f.Certificates, certificate{
			Subject: c.Subject.String(), Issuer: c.Issuer.String(), Names: tlsstore.Names(c),
			NotBefore: c.NotBefore.UnixMilli(), NotAfter: c.NotAfter.UnixMilli(), DaysLeft: int(left / day),
			Key: describeKey(c), Signature: c.SignatureAlgorithm.String(), Serial: fmt.Sprintf("%x", c.SerialNumber),
		})
		switch {
		case now.Before(c.NotBefore):
			f.fault("%s is not valid before %s", c.Subject, c.NotBefore.Local().Format(time.DateTime))
		case left <= 0:
			f.fault("%s has expired on %s", c.Subject, c.NotAfter.Local().Format(time.DateTime))
		case left < time.Duration(opt.days)*day:
			f.fault("%s expires on %s, within %d days", c.Subject, c.NotAfter.Local().Format(time.DateTime), opt.days)
		}
		if weak(c) {
			f.note("%s has a weak signature or key (%s, %s); servers and clients may refuse it", c.Subject, c.SignatureAlgorithm, describeKey(c))
		}
		if presented && i == 0 && len(c.DNSNames)+len(c.IPAddresses) == 0 {
			f.note("%s has no alternative names; many clients look at nothing else", c.Subject)
		}
	}
}

// trimTLS drops what crypto/tls puts before its errors.
func trimTLS(err error) string {
	text := err.Error()
	for _, prefix := range []string{"remote error: ", "local error: ", "tls: ", "x509: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}
