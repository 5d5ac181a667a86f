package ensemble

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

type bundleOptions struct {
	asking
	out    string
	redact bool
	config string
	dirs   []string
	logs   []string
}

func newBundleCommand(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &bundleOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use:         "bundle -O FILE.tar.gz",
		Short:       "collect what support needs in one file",
		Annotations: command.Exits{0: "the bundle is written", 1: "it could not be", 2: "no member answered; it holds what is known without them"}.Note(),
		Long: `Collect what remote support asks for: what each member says through
four-letter words and its AdminServer, the ensemble's configuration, what status,
health and doctor make of it, and how this zkctl is set up. Nothing is changed, and
no data of znodes is read. manifest.json lists what is included, and what is missing and why.

--config adds a zoo.cfg with its dynamic configuration file, --dir the names and
sizes of the files in a data directory (not their contents), --logs the ends of log
files.

Always removed, from all files: values of properties, system properties, JSON fields
and JAAS options whose names contain password, passphrase, secret, credential or
superDigest, or end in auth, access or API token; digests in ACLs and of super users;
what follows addauth; passwords in URLs; private keys. zkctl's own identities
(-auth) are never in it.

With --redact, these are replaced too, each by the same name everywhere (host-1, ip-2,
user-1, path-3): names of members and of their machines, other domain names, IP
addresses other than 127.0.0.1 and ::1, users, and paths of files and znodes. What
looks like none of these stays, such as a client's name in a log: read the bundle
before you send it.

The file is created with mode 0600, complete or not at all, and never replaces
another. -O - writes to standard output, unless that is a terminal.`,
		Example: `  zkctl -server zk1 ensemble bundle -O zk.tar.gz
  zkctl -server zk1 ensemble bundle -O zk.tar.gz --redact
  zkctl -server zk1 ensemble bundle -O - --redact | ssh support 'cat > zk.tar.gz'
  zkctl ensemble bundle -O zk.tar.gz --config /etc/zookeeper/conf/zoo.cfg --dir /var/lib/zookeeper --logs /var/log/zookeeper`,
		Args: command.ArgCount(0, 0),
		RunE: func(c *cobra.Command, _ []string) error { return runBundle(c.Context(), opt) },
	}
	opt.add(c)
	fs := c.Flags()
	fs.StringVarP(&opt.out, "out", "O", "", "`file` to write, a gzipped tar archive, or - for standard output")
	fs.BoolVar(&opt.redact, "redact", false, "replace hosts, addresses, users and paths by pseudonyms")
	fs.StringVar(&opt.config, "config", "", "add this zoo.cfg `file`")
	fs.StringArrayVar(&opt.dirs, "dir", nil, "list the files of this data `folder`; may be repeated")
	fs.StringArrayVar(&opt.logs, "logs", nil, "add the end of this log `file`, or of the latest in this folder; may be repeated")
	_ = c.MarkFlagDirname("dir")
	return c
}

func runBundle(ctx context.Context, opt *bundleOptions) error {
	piped := opt.out == "-"
	switch {
	case opt.out == "":
		return errors.New("name the file to write: -O FILE.tar.gz")
	case piped && opt.streams.OutTTY:
		return errors.New("-O -: an archive is not for a terminal; redirect the output, or use -O FILE.tar.gz")
	}
	p, widen, err := opt.prober()
	if err != nil {
		return err
	}
	to, report := opt.streams.Out, opt.streams.Err
	var f *atomicfile.File
	if !piped {
		if f, err = atomicfile.Create(opt.out); err != nil { // before the members are asked: that the file exists is known at once
			return err
		}
		defer f.Abandon()
		to, report = f, opt.streams.Out
	}
	b := &bundle{began: time.Now()}
	s, err := survey(ctx, p, widen, opt.timeout)
	if err != nil {
		return err
	}
	b.collect(ctx, opt, p, s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	size, err := b.write(to, opt.redact)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !piped {
		if err := f.Commit(); err != nil {
			return err
		}
	}
	name := "the bundle"
	if !piped {
		name = opt.streams.Name(opt.out)
	}
	fmt.Fprintf(report, "wrote %s: %d files, %s; %d could not be had (manifest.json says why)\n",
		name, len(b.entries), ui.Bytes(size), len(b.missing))
	for _, r := range s.Readings {
		if r.State == probe.Serving || r.State == probe.NotServing {
			return nil
		}
	}
	return &ui.ExitError{Code: exitUnknown, Err: errors.New("no member answered; the bundle has what is known without them")}
}

// collect asks everything at once.
func (b *bundle) collect(ctx context.Context, opt *bundleOptions, p *probe.Prober, s *probe.Survey) {
	b.verdicts(opt, s)
	b.client(opt, p)
	var wg sync.WaitGroup
	for i, r := range s.Readings {
		wg.Go(func() { b.member(ctx, opt, p, r, memberFolder(r, i)) })
	}
	wg.Go(func() { b.doctor(ctx, opt) })
	wg.Go(func() { b.ensembleConfig(ctx, opt, p, s) })
	wg.Go(func() { b.files(ctx, opt) })
	wg.Wait()
	b.names(s)
}

// verdicts adds what status and health say of the survey, and its metrics.
func (b *bundle) verdicts(opt *bundleOptions, s *probe.Survey) {
	for _, format := range []ui.Format{ui.Text, ui.JSON} {
		b.printed("status."+extensions[format], func(to *ui.Streams) error {
			return (&statusView{streams: to, format: format}).print(s)
		})
		b.printed("health."+extensions[format], func(to *ui.Streams) error {
			limits := &healthOptions{asking: asking{streams: to}, format: string(format), strict: true,
				minMembers: noLimit, maxLag: noLimit, maxLatency: noLimit, maxOutstanding: noLimit}
			return limits.weigh(s).print(limits)
		})
	}
	b.printed("metrics.prom", func(to *ui.Streams) error {
		_, err := exposed(s).WriteTo(to.Out)
		return err
	})
}

var extensions = map[ui.Format]string{ui.Text: "txt", ui.JSON: "json"}

// doctor adds the findings.
func (b *bundle) doctor(ctx context.Context, opt *bundleOptions) {
	exam := &doctorOptions{asking: opt.asking, config: opt.config, dirs: opt.dirs}
	list := rules()
	p, err := exam.examine(ctx, list)
	if err != nil {
		b.lack("doctor", "", err)
		return
	}
	for _, r := range list {
		p.apply(r)
	}
	p.sort()
	for _, format := range []ui.Format{ui.Text, ui.JSON} {
		b.printed("doctor."+extensions[format], func(to *ui.Streams) error { return p.print(to, format) })
	}
}

// printed adds what print prints to a stream that is no terminal.
func (b *bundle) printed(name string, print func(to *ui.Streams) error) {
	out := &limitedBuffer{most: mostFile}
	if err := print(&ui.Streams{In: nil, Out: out, Err: io.Discard, Width: 120}); err != nil {
		b.lack(name, "", err)
		return
	}
	b.add(name, "zkctl", out.Bytes(), out.cut)
}

// ensembleConfig adds /zookeeper/config as a session reads it.
func (b *bundle) ensembleConfig(ctx context.Context, opt *bundleOptions, p *probe.Prober, s *probe.Survey) {
	const name = "zookeeper-config.txt"
	var failure error
	for _, r := range s.Readings {
		if r.State != probe.Serving {
			continue
		}
		within, cancel := context.WithTimeout(ctx, opt.timeout)
		text, err := p.Config(within, &r.Member)
		cancel()
		if err == nil {
			b.add(name, r.Name(), text, 0)
			return
		}
		failure = probe.Reason(err)
	}
	b.lack(name, "", cmp.Or(failure, errors.New("no member serves")))
}

// hostname is this machine's, "" if unknown.
func hostname() string {
	name, _ := os.Hostname()
	return name
}
