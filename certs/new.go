package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/authority"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/tlsstore"
	"github.com/zkctl/zkctl/internal/ui"
)

const (
	authorityDays = 3650
	maxMembers    = 99
	profileFile   = "profile.yaml"
	defaultClient = "client"
)

type newOptions struct {
	streams *ui.Streams
	dir     string
	hosts   []string
	members int
	clients []string
	days    int
	replace bool
	output  string
}

func newNewCommand(s *ui.Streams, run func(context.Context, *newOptions) error) *cobra.Command {
	opt := &newOptions{streams: s}
	c := &cobra.Command{
		Use:               "new DIR",
		ValidArgsFunction: command.Takes(command.File, 0, 1),
		Short:             "make an authority and the certificates it signs",
		Long: `Make a certificate authority in DIR, and certificates for members and clients that
it signs: as PEM (key and certificates in one file) and as PKCS12. The password of
the PKCS12 stores is in DIR/password. DIR/member-N.cfg holds the lines of zoo.cfg
that use them, DIR/profile.yaml those of zkctl's config file. The files, and the
folder if it is new, are for their owner only; keep ca.key secret, for whoever has
it can join and read everything.

Each name in --hosts makes a member; zk1/10.0.0.1 gives a member's name and
address. With --members N, all N members have the same names. Members verify each
other's addresses: give those, or names that the name server finds for them.

Called again, it adds certificates that the authority in DIR signs. With --replace it
issues existing ones anew: those that --hosts, --members and --client name or, without
these, all in DIR, for the names that they have. Servers read new files at once if
client.certReload and sslQuorumReloadCertFiles are true.`,
		Example: `  zkctl certs new tls --hosts zk1/10.0.0.1,zk2/10.0.0.2,zk3/10.0.0.3
  zkctl certs new tls --client alice --client bob
  zkctl certs new tls --hosts localhost,127.0.0.1 --members 3
  zkctl certs new tls --replace`,
		Args: command.ArgCount(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("members") && (opt.members < 1 || opt.members > maxMembers) {
				return fmt.Errorf("--members: %d is not from 1 to %d", opt.members, maxMembers)
			}
			opt.dir = args[0]
			return run(c.Context(), opt)
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&opt.hosts, "hosts", nil, "`names` and addresses of the members (default: of this machine)")
	fs.IntVar(&opt.members, "members", 0, "`number` of members with the same names (default: one for each name)")
	fs.StringSliceVar(&opt.clients, "client", nil, "`name` of a client; repeatable (default client)")
	fs.IntVar(&opt.days, "days", 365, "`days` until the certificates expire; the authority lasts ten years")
	fs.BoolVar(&opt.replace, "replace", false, "issue certificates anew that are in DIR already")
	fs.StringVarP(&opt.output, "output", "o", string(ui.Text), "output `format`: text or json (one object with the files)")
	return c
}

// holder is who gets a certificate.
type holder struct {
	file    string // without its extension
	subject authority.Subject
	member  int  // its number; 0 for a client
	renewed bool // it keeps its names, and its lines of zoo.cfg
}

// made is what runNew reports.
type made struct {
	Dir       string   `json:"dir"`
	Authority bool     `json:"newAuthority"`
	Members   []string `json:"members"`
	Clients   []string `json:"clients"`
	Kept      []string `json:"kept"`
	Expires   int64    `json:"expires"` // ms since 1970
}

func runNew(_ context.Context, opt *newOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	holders, err := opt.holders()
	if err != nil {
		return err
	}
	if opt.dir, err = filepath.Abs(opt.dir); err != nil {
		return err
	}
	done := made{Dir: opt.dir}
	if err = opt.write(&done, holders); err != nil {
		return fmt.Errorf("make certificates in %s: %w", opt.dir, err)
	}
	if format == ui.JSON {
		done.Members, done.Clients, done.Kept = full(done.Members), full(done.Clients), full(done.Kept)
		return ui.PrintJSON(opt.streams.Out, done)
	}
	return opt.print(&done)
}

// isClientName reports whether a name fits into the name of a file.
func isClientName(name string) bool {
	for i, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && (i == 0 || !strings.ContainsRune("._@-", r)) {
			return false
		}
	}
	return name != "" && utf8.RuneCountInString(name) <= 100
}

func (opt *newOptions) holders() (list []holder, err error) {
	if err := checkDays(opt.days); err != nil {
		return nil, err
	}
	until := time.Now().Add(time.Duration(opt.days) * day)
	if len(opt.hosts) == 0 && opt.members == 0 {
		if old, err := opt.found(until); err != nil || len(old) > 0 {
			return old, err
		}
	}
	for i, hosts := range opt.memberHosts() {
		for _, host := range hosts {
			if host == "" || strings.ContainsAny(host, " \t/:*") && !strings.Contains(host, "::") && !strings.HasPrefix(host, "*.") {
				return nil, fmt.Errorf("--hosts: %q is not the name or the address of a host", host)
			}
		}
		// Between members, each is a client of the others.
		name := fmt.Sprintf("member-%d", i+1)
		list = append(list, holder{file: name, member: i + 1, subject: authority.Subject{Name: name, Hosts: hosts, Client: true, Until: until}})
	}
	if len(list) > maxMembers {
		return nil, fmt.Errorf("%d members exceed the limit of %d", len(list), maxMembers)
	}
	clients := opt.clients
	if len(clients) == 0 {
		clients = []string{defaultClient}
	}
	return appendClients(list, clients, until)
}

func appendClients(list []holder, names []string, until time.Time) ([]holder, error) {
	for _, name := range names {
		if !isClientName(name) {
			return nil, fmt.Errorf("--client: %q cannot be part of a file's name; use letters, digits and . _ @ -", name)
		}
		list = append(list, holder{file: "client-" + name, subject: authority.Subject{Name: name, Client: true, Until: until}})
	}
	return list, nil
}

// found returns the holders of a folder that has members, if no members are named: the clients that are, or all that are there, with the
// names that they have. This machine's names are for a new folder only.
func (opt *newOptions) found(until time.Time) (list []holder, err error) {
	for n := 1; n <= maxMembers; n++ {
		name := fmt.Sprintf("member-%d", n)
		file := filepath.Join(opt.dir, name+".pem")
		chain, _, err := (&tlsstore.Store{File: file}).Inspect()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || len(chain) == 0 {
			return nil, fmt.Errorf("read the names of %s: %w", name, err)
		}
		hosts := slices.Clone(chain[0].DNSNames)
		for _, ip := range chain[0].IPAddresses {
			hosts = append(hosts, ip.String())
		}
		list = append(list, holder{file: name, member: n, renewed: true, subject: authority.Subject{Name: name, Hosts: hosts, Client: true, Until: until}})
	}
	if len(list) == 0 {
		return nil, nil
	}
	if len(opt.clients) > 0 {
		return appendClients(nil, opt.clients, until)
	}
	clients, err := opt.clientsThere()
	if err != nil {
		return nil, err
	}
	if len(clients) == 0 {
		clients = []string{defaultClient}
	}
	return appendClients(list, clients, until)
}

// memberHosts returns the names and addresses of each member.
func (opt *newOptions) memberHosts() (list [][]string) {
	if len(opt.hosts) == 0 {
		hosts := []string{"localhost", "127.0.0.1", "::1"}
		if name, err := os.Hostname(); err == nil && name != "" && name != "localhost" {
			hosts = append(hosts, name)
		}
		for range max(1, opt.members) {
			list = append(list, hosts)
		}
		return list
	}
	var all []string
	for _, host := range opt.hosts {
		names := strings.Split(host, "/")
		list = append(list, names)
		all = append(all, names...)
	}
	if opt.members == 0 || opt.members == len(list) {
		return list
	}
	list = nil
	for range opt.members {
		list = append(list, all)
	}
	return list
}

func (opt *newOptions) write(done *made, holders []holder) error {
	// A renewal of the authority is work on every machine, so it lasts long.
	until := time.Now().Add(time.Duration(max(authorityDays, opt.days)) * day)
	f, err := authority.Open(opt.dir, "zkctl authority "+time.Now().Format(time.DateOnly), until)
	if err != nil {
		return err
	}
	done.Authority = f.Fresh
	for _, h := range holders {
		if !opt.replace && f.Has(h.file+".pem") {
			done.Kept = append(done.Kept, h.file)
			continue
		}
		identity, err := f.Add(h.file, h.subject)
		if err != nil {
			return err
		}
		done.Expires = identity.Cert.NotAfter.UnixMilli()
		if h.member == 0 {
			done.Clients = append(done.Clients, h.file)
			continue
		}
		done.Members = append(done.Members, h.file)
		if h.renewed && f.Has(h.file+".cfg") {
			continue
		}
		if err := f.Save(h.file+".cfg", []byte(opt.serverLines(h))); err != nil {
			return err
		}
	}
	profile, err := opt.profileLines(holders)
	if err != nil {
		return err
	}
	return f.Save(profileFile, []byte(profile))
}

func (opt *newOptions) path(name string) string { return filepath.Join(opt.dir, name) }

func (opt *newOptions) print(done *made) error {
	var out strings.Builder
	if done.Authority {
		fmt.Fprintf(&out, "authority: %s (keep %s secret)\n", escape.Line(opt.path(authority.CertFile)), authority.KeyFile)
	}
	for _, file := range append(append([]string{}, done.Members...), done.Clients...) {
		fmt.Fprintf(&out, "%s.pem, .p12 (until %s)\n", escape.Line(opt.path(file)), time.UnixMilli(done.Expires).Format(time.DateOnly))
	}
	for _, file := range done.Kept {
		fmt.Fprintf(&out, "%s.pem is kept (to issue it anew: --replace)\n", escape.Line(opt.path(file)))
	}
	if len(done.Members) > 0 {
		fmt.Fprintf(&out, "\n# zoo.cfg of %s", done.Members[0])
		if len(done.Members) > 1 {
			out.WriteString("; the others' lines are in member-N.cfg")
		}
		lines, err := os.ReadFile(opt.path(done.Members[0] + ".cfg"))
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "\n%s", escape.Text(string(lines)))
	}
	if text, err := os.ReadFile(opt.path(profileFile)); err == nil {
		fmt.Fprintf(&out, "\n# zkctl's config file\n%s", escape.Text(string(text)))
	}
	_, err := opt.streams.Out.Write([]byte(out.String()))
	return err
}
