package ensemble

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/ui"
)

// Ways to ask for a word.
const (
	viaAuto  = "auto"
	viaWords = string(probe.Words)
	viaAdmin = string(probe.Admin)
)

type wordOptions struct {
	choosing
	word    *answer.Word
	mask    string
	via     string
	raw     bool
	match   string
	columns bool
	yes     bool
	output  string

	filter *regexp.Regexp
}

func newWordCommand(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &wordOptions{choosing: choosing{asking: asking{streams: s, connect: connect}}}
	c := &cobra.Command{
		Use: "4lw WORD [MASK]",
		Long: `Send a four-letter word, such as mntr, to the servers of -server and print the
replies. Replies of several servers get a heading each or, with --columns, stand
side by side. If a server's whitelist (4lw.commands.whitelist) refuses the word, its
AdminServer is asked for the same.

Words:
` + wordList() + ``,
		Annotations: command.Exits{0: "all members answered", 1: "one could not be reached", 2: "one refused to answer"}.Note(),
		Example: `  zkctl -server zk1 4lw ruok
  zkctl 4lw mntr --all --columns --match 'latency|outstanding'
  zkctl 4lw cons --member 2 -o json
  zkctl 4lw stmk 0x132 --members zk1:2181 -y`,
		Args: func(c *cobra.Command, words []string) error {
			switch {
			case len(words) == 0:
				return errors.New("missing word, such as: zkctl 4lw srvr (zkctl 4lw --help lists the words)")
			case answer.WordOf(words[0]) == nil:
				return unknownWord(words[0])
			case words[0] == "stmk" && len(words) != 2:
				return errors.New("missing mask, such as: zkctl 4lw stmk 0x132")
			case words[0] != "stmk" && len(words) > 1:
				return fmt.Errorf("unexpected argument %q", words[1])
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, words []string, _ string) (list []string, _ cobra.ShellCompDirective) {
			if len(words) == 0 {
				for _, w := range answer.Words {
					list = append(list, w.Name+"\t"+w.Short)
				}
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, words []string) error {
			opt.word = answer.WordOf(words[0])
			if len(words) > 1 {
				opt.mask = words[1]
			}
			return runWord(c.Context(), opt)
		},
	}
	opt.add(c)
	fs := c.Flags()
	fs.StringVar(&opt.via, "via", viaAuto, "`door` to use: auto, 4lw or admin")
	fs.BoolVar(&opt.raw, "raw", false, "print the answer's bytes unchanged")
	fs.StringVar(&opt.match, "match", "", "print only lines, or names of --columns and JSON, that match the regular `expression`")
	fs.BoolVar(&opt.columns, "columns", false, "print names and values, a column for each member")
	fs.BoolVarP(&opt.yes, "yes", "y", false, "skip the confirmation prompt of a word that changes something")
	formatFlag(c, &opt.output, "one object with the answers as objects")
	_ = c.RegisterFlagCompletionFunc("via", cobra.FixedCompletions([]string{viaAuto, viaWords, viaAdmin}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func wordList() string {
	var b strings.Builder
	for _, w := range answer.Words {
		fmt.Fprintf(&b, "  %s  %s\n", w.Name, w.Short)
	}
	return b.String()
}

func unknownWord(word string) error {
	var names []string
	for _, w := range answer.Words {
		names = append(names, w.Name)
	}
	if q := nearest.DidYouMean(word, "", names); q != "" {
		return fmt.Errorf("%q is not a four-letter word; %s", word, q)
	}
	return fmt.Errorf("%q is not a four-letter word; they are %s", word, strings.Join(names, " "))
}

// wordAnswer is one member's answer.
type wordAnswer struct {
	member probe.Member
	door   probe.Door
	text   []byte        // to the word
	object answer.Object // to the AdminServer's command
	value  any           // parsed from either; nil with --raw
	err    error
	shut   bool // the member refused to answer
}

func runWord(ctx context.Context, opt *wordOptions) error {
	format, err := opt.check()
	if err != nil {
		return err
	}
	word := opt.word.Name
	if opt.mask != "" {
		mask, err := strconv.ParseInt(opt.mask, 0, 64)
		if err != nil {
			return fmt.Errorf("4lw stmk: invalid mask %q; use a number such as 0x132", opt.mask)
		}
		word += string(binary.BigEndian.AppendUint64(nil, uint64(mask)))
	}
	p, widen, err := opt.prober()
	if err != nil {
		return err
	}
	members, err := opt.chosen(ctx, p, widen)
	if err != nil {
		return err
	}
	if opt.word.Changes {
		change := fmt.Sprintf("%s at %s", opt.word.Short, memberNames(members))
		if err := confirm(ctx, opt.streams, opt.yes, guardOf(p, members), change); err != nil {
			return err
		}
	}
	if opt.word.Heavy {
		opt.warn(ctx, p, members)
	}
	answers := opt.ask(ctx, p, members, word)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := opt.print(answers, format); err != nil {
		return err
	}
	return opt.failure(answers)
}

func memberNames(list []probe.Member) string {
	var names []string
	for _, m := range list {
		names = append(names, m.Name())
	}
	return strings.Join(names, ", ")
}

func (opt *wordOptions) check() (ui.Format, error) {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return format, err
	}
	switch opt.via {
	case viaAuto, viaWords, viaAdmin:
	default:
		return format, fmt.Errorf("--via: invalid value %q; use auto, 4lw or admin", opt.via)
	}
	switch {
	case opt.raw && (opt.columns || opt.match != "" || format == ui.JSON):
		return format, errors.New("--raw cannot be combined with --columns, --match or -o json")
	case opt.raw && opt.via == viaAdmin:
		return format, errors.New("--raw prints the client port's answer and cannot be combined with --via admin; see zkctl admin --raw")
	case opt.columns && !opt.word.Pairs:
		return format, fmt.Errorf("--columns: the answer to %s has no names and values", opt.word.Name)
	case opt.match != "" && format == ui.JSON && !opt.word.Pairs:
		return format, fmt.Errorf("--match with -o json: the answer to %s has no names and values to choose from", opt.word.Name)
	case opt.via == viaAdmin && opt.word.Command == "":
		return format, fmt.Errorf("--via admin: AdminServers have no command for %s; zkctl admin set_trace_mask traceMask=…", opt.word.Name)
	}
	if opt.match != "" {
		if opt.filter, err = regexp.Compile(opt.match); err != nil {
			return format, fmt.Errorf("--match: %w", err)
		}
	}
	return format, nil
}

// large is the number of watches or ephemeral znodes from which a listing burdens the server.
const large = 100_000

// warn checks how much a listing would list.
func (opt *wordOptions) warn(ctx context.Context, p *probe.Prober, members []probe.Member) {
	ctx, cancel := context.WithTimeout(ctx, opt.timeout)
	defer cancel()
	name, what := "zk_watch_count", "watches"
	if opt.word.Name == "dump" {
		name, what = "zk_ephemerals_count", "ephemeral znodes"
	}
	var wg sync.WaitGroup
	found := make([]int64, len(members))
	for i := range members {
		wg.Go(func() {
			if text, err := p.Word(ctx, &members[i], "mntr"); err == nil {
				if m, err := answer.ParseMntr(text); err == nil {
					found[i] = m.Int(name).Or(0)
				}
			} else if o, err := p.Admin(ctx, &members[i], "monitor"); err == nil {
				found[i] = o.Metrics().Int(name).Or(0)
			}
		})
	}
	wg.Wait()
	for i, n := range found {
		if n > large {
			ui.Warn(opt.streams.Err, "%s lists %d %s of %s, which is hard on the server", opt.word.Name, n, what, members[i].Name())
		}
	}
}

// ask asks all members concurrently.
func (opt *wordOptions) ask(ctx context.Context, p *probe.Prober, members []probe.Member, word string) []*wordAnswer {
	ctx, cancel := context.WithTimeout(ctx, opt.timeout)
	defer cancel()
	answers := make([]*wordAnswer, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() { answers[i] = opt.askOne(ctx, p, m, word) })
	}
	wg.Wait()
	return answers
}

func (opt *wordOptions) askOne(ctx context.Context, p *probe.Prober, m probe.Member, word string) *wordAnswer {
	a := &wordAnswer{member: m, door: probe.Words}
	if opt.raw {
		text, err := p.RawWord(ctx, &m, word)
		a.text, a.err = text, probe.Reason(err)
		return a
	}
	var refused error
	if opt.via != viaAdmin {
		if a.text, a.err = p.Word(ctx, &m, word); a.err == nil {
			a.value, a.err = opt.word.Text(a.text)
			return a
		}
		if refused = a.err; !errors.Is(refused, probe.ErrNotWhitelisted) || opt.via == viaWords || opt.word.Command == "" {
			a.shut = errors.Is(refused, probe.ErrNotWhitelisted)
			a.err = opt.reason(&m, refused, nil)
			return a
		}
	}
	a.door = probe.Admin
	if a.object, a.err = p.Admin(ctx, &m, opt.word.Command); a.err == nil {
		a.value = opt.word.Admin(a.object)
		return a
	}
	a.shut = refused != nil
	a.err = opt.reason(&m, refused, a.err)
	return a
}

// reason returns why neither door answered, and which setting would open one.
func (opt *wordOptions) reason(m *probe.Member, word, admin error) error {
	refusal := fmt.Sprintf("%s is not in 4lw.commands.whitelist", opt.word.Name)
	switch {
	case errors.Is(word, probe.ErrNotWhitelisted) && opt.mask != "" && opt.via == viaAuto:
		mask, _ := strconv.ParseInt(opt.mask, 0, 64) // the AdminServer takes decimal numbers only
		return fmt.Errorf("%s; add it there in zoo.cfg, or try the AdminServer: zkctl admin set_trace_mask traceMask=%d", refusal, mask)
	case errors.Is(word, probe.ErrNotWhitelisted) && admin == nil:
		return fmt.Errorf("%s; add it there in zoo.cfg", refusal)
	case errors.Is(word, probe.ErrNotWhitelisted):
		return fmt.Errorf("%s, and its AdminServer on port %d: %w; add %s to that list in zoo.cfg, or name the AdminServer's port with --admin-port",
			refusal, m.AdminPort, probe.Reason(admin), opt.word.Name)
	case word == nil:
		return fmt.Errorf("AdminServer on port %d: %w", m.AdminPort, probe.Reason(admin))
	}
	return probe.Reason(word)
}

func (opt *wordOptions) print(answers []*wordAnswer, format ui.Format) error {
	s := opt.streams
	if format == ui.JSON {
		return opt.printJSON(answers)
	}
	if opt.columns {
		return printMatrix(s, opt.filter, answers)
	}
	for i, a := range answers {
		if len(answers) > 1 {
			if i > 0 {
				if _, err := io.WriteString(s.Out, "\n"); err != nil {
					return err
				}
			}
			if _, err := io.WriteString(s.Out, heading(s, &a.member)); err != nil {
				return err
			}
		}
		text := opt.textOf(a)
		if n := len(text); n > 0 && text[n-1] != '\n' && (s.OutTTY || len(answers) > 1) && !opt.raw {
			text = append(text[:n:n], '\n')
		}
		if _, err := s.Out.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// textOf returns an answer as it is printed: the word's bytes, or the AdminServer's object as names and values, or as
// JSON.
func (opt *wordOptions) textOf(a *wordAnswer) []byte {
	text := a.text
	switch {
	case a.err != nil && a.text == nil:
		return nil
	case a.door == probe.Admin && opt.word.Pairs:
		var b bytes.Buffer
		for _, pair := range pairsOf(a.value) {
			fmt.Fprintf(&b, "%s\t%s\n", pair[0], pair[1])
		}
		text = b.Bytes()
	case a.door == probe.Admin:
		raw, _ := escape.MarshalJSON(a.object)
		var b bytes.Buffer
		_ = json.Indent(&b, raw, "", "  ")
		text = b.Bytes()
	}
	if opt.filter == nil {
		return text
	}
	var kept []byte
	for line := range bytes.Lines(text) {
		if opt.filter.Match(bytes.TrimRight(line, "\r\n")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// wordJSON is one member in the object that -o json prints.
type wordJSON struct {
	ID      answer.Opt[int64] `json:"id"`
	Address string            `json:"address"`
	Door    *probe.Door       `json:"door"`
	Answer  any               `json:"answer"`
	Error   string            `json:"error,omitempty"`
}

func (opt *wordOptions) printJSON(answers []*wordAnswer) error {
	list := []wordJSON{}
	for _, a := range answers {
		o := wordJSON{ID: a.member.ID, Address: a.member.Name(), Answer: a.value}
		if a.err != nil {
			o.Error, o.Answer = a.err.Error(), nil
		} else {
			o.Door = &a.door
			if opt.filter != nil {
				o.Answer = chosenPairs(a.value, opt.filter)
			}
		}
		list = append(list, o)
	}
	return ui.PrintJSON(opt.streams.Out, struct {
		Word    string     `json:"word"`
		Members []wordJSON `json:"members"`
	}{opt.word.Name, list})
}

// failure reports on stderr which members did not answer, and through which door others did.
func (opt *wordOptions) failure(answers []*wordAnswer) error {
	var failures []string
	shut := true
	for _, a := range answers {
		switch {
		case a.err != nil:
			failures = append(failures, fmt.Sprintf("%s: %v", a.member.Name(), a.err))
			shut = shut && a.shut
		case a.door == probe.Admin && opt.via == viaAuto:
			fmt.Fprintf(opt.streams.Err, "%s: %s is not in 4lw.commands.whitelist; its AdminServer answered on port %d\n",
				a.member.Name(), opt.word.Name, a.member.AdminPort)
		}
	}
	if failures == nil {
		return nil
	}
	code := ui.ExitFailed
	if shut {
		code = exitUnknown
	}
	return &ui.ExitError{Code: code, Err: errors.New(strings.Join(failures, "\n"))}
}
