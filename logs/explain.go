package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

type explainOptions struct {
	streams *ui.Streams
	words   []string
	list    bool
	output  string
}

func newExplainCommand(s *ui.Streams) *cobra.Command {
	o := &explainOptions{streams: s}
	c := &cobra.Command{
		Use:   "explain 'LINE'|NAME|-",
		Short: "explain a line of a log, or a whole paste",
		Long: `Explain what a line of a log means, when it is normal, and what to do. The line may
come with or without its date and class, and with its stack trace. With - or
without an argument, read lines from standard input. NAME is the name of a phrase,
as summary and --list print it.`,
		Example: `  zkctl log explain 'Unable to read additional data from server sessionid 0x0'
  zkctl log explain 'Len error 1195725856'
  tail -50 zookeeper.out | zkctl log explain
  zkctl log explain --list`,
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := ui.ParseFormat(o.output); err != nil {
				return err
			}
			if len(args) == 0 && s.InTTY && !o.list {
				return usageError(c, "missing line")
			}
			o.words = args
			return runExplain(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.list, "list", false, "list all known phrases")
	addOutput(c, &o.output)
	return c
}

func (o *explainOptions) json() bool { return strings.EqualFold(o.output, string(ui.JSON)) }

func runExplain(ctx context.Context, o *explainOptions) error {
	c := catalogue.Load()
	if o.list {
		return o.listPhrases(c)
	}
	text := strings.Join(o.words, " ")
	if p := c.Named(text); p != nil {
		return o.print([]explained{{phrase: p, count: 0}}, nil)
	}
	var in io.Reader = strings.NewReader(text)
	if text == stdin || len(o.words) == 0 {
		in = o.streams.In
	}
	input, err := format.Stream(ctx, "standard input", in)
	if err != nil {
		return err
	}
	defer input.Close()
	name := ""
	if in == o.streams.In {
		name = stdin
	}
	found, unknown, err := explainAll(c, input, name)
	if err != nil {
		return err
	}
	return o.print(found, unknown)
}

// unexplained is a line that nobody knows.
type unexplained struct {
	text   string
	record []byte
}

// explained is a phrase that a paste contains.
type explained struct {
	phrase   *catalogue.Phrase
	count    int
	text     string // where it was first seen
	fields   []string
	readings []string
	record   []byte
}

// mostUnknown limits how many lines that nobody knows are named.
const mostUnknown = 20

// explainAll reads a paste and returns its phrases in the order in which they first appear, and lines that are not known.
func explainAll(c *catalogue.Catalogue, in *format.Input, name string) (found []explained, unknown []unexplained, err error) {
	clock := format.Clock{Zone: time.Local, Order: in.Dates.Order}
	if in.Dates.Guess != format.Certain {
		clock.Order = format.Unknown // nothing depends on the time, so it is left out
	}
	r := format.NewReader(in, clock)
	index := map[*catalogue.Phrase]int{}
	var m catalogue.Match
	see := func(e *format.Event, text []byte) bool {
		if !c.Find(text, &m) {
			return false
		}
		i, known := index[m.Phrase]
		if !known {
			i = len(found)
			index[m.Phrase] = i
			one := explained{phrase: m.Phrase, text: string(text), record: appendRecord(nil, name, string(e.Member), e, &m)}
			for f := range m.Fields {
				one.fields = append(one.fields, f.Name+" "+escape.Line(string(f.Value)))
				if reading := catalogue.Reading(&f); reading != "" {
					one.readings = append(one.readings, f.Name+" "+escape.Line(string(f.Value))+" is "+reading)
				}
			}
			found = append(found, one)
		}
		found[i].count++
		return true
	}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found, unknown, nil
		}
		if err != nil {
			return nil, nil, err
		}
		known := see(e, e.Text)
		if known {
			for f := range m.Fields {
				if f.Cause {
					see(e, catalogue.AfterClass(f.Value))
					break
				}
			}
		}
		for line := range strings.Lines(string(e.More)) {
			if rest := catalogue.AfterClass([]byte(strings.TrimRight(line, "\n"))); len(rest) > 0 && len(rest)+1 < len(line) {
				known = see(e, rest) || known
			}
		}
		if !known && len(unknown) < mostUnknown && len(strings.TrimSpace(string(e.Text))) > 0 {
			unknown = append(unknown, unexplained{string(e.Text), appendRecord(nil, name, string(e.Member), e, nil)})
		}
	}
}

func (o *explainOptions) print(found []explained, unknown []unexplained) error {
	slices.SortStableFunc(found, func(a, b explained) int { return cmp.Compare(b.phrase.Rank, a.phrase.Rank) })
	out := &strings.Builder{}
	for i, f := range found {
		if o.json() {
			out.Write(f.json())
			out.WriteByte('\n')
			continue
		}
		if i > 0 {
			out.WriteByte('\n')
		}
		f.write(out, o.streams.Width)
	}
	for i, u := range unknown {
		var near []wording
		if len(found) == 0 && len(unknown) == 1 {
			near = similar(catalogue.Load(), u.text)
		}
		if o.json() {
			b := object{b: u.record[:len(u.record)-1]}
			if len(near) > 0 {
				names := make([]string, len(near))
				for i, s := range near {
					names[i] = s.phrase.Name
				}
				b.strings("similar", names)
			}
			out.Write(append(b.b, "}\n"...))
			continue
		}
		if i == 0 && len(found) > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintln(out, ui.Hang("unknown: "+escape.Line(u.text), o.streams.Width, 2))
		for _, s := range near {
			fmt.Fprintln(out, ui.Hang("  perhaps "+s.phrase.Name+": "+s.says, o.streams.Width, 4))
		}
	}
	if _, err := io.WriteString(o.streams.Out, out.String()); err != nil {
		return err
	}
	if len(found) == 0 {
		return &ui.ExitError{Code: ui.ExitFailed, Err: errors.New("nothing in it is known (zkctl log explain --list shows what is)")}
	}
	return nil
}

func (f *explained) write(out *strings.Builder, width int) {
	p := f.phrase
	title := p.Says[0]
	if f.count > 0 {
		title = f.text
	}
	fmt.Fprintln(out, ui.Fold(escape.Line(title), width))
	head := p.Name + " (" + p.Kind + ", " + p.Rank.String() + ")"
	if f.count > 1 {
		head += fmt.Sprintf(", %d times", f.count)
	}
	labelled(out, width, "phrase", head)
	if len(f.fields) > 0 {
		labelled(out, width, "fields", strings.Join(f.fields, ", "))
	}
	for _, r := range f.readings {
		labelled(out, width, "note", r)
	}
	labelled(out, width, "means", p.Means)
	labelled(out, width, "normal", p.Normal)
	labelled(out, width, "do", p.Do)
	source := p.Source
	if p.Seen != "" {
		source = "seen in " + p.Seen + "; " + source
	}
	labelled(out, width, "source", source)
}

// labelled writes a label and a text, folded beside it.
func labelled(out *strings.Builder, width int, label, text string) {
	fmt.Fprintln(out, ui.Hang(fmt.Sprintf("  %-7s %s", label, text), width, 10))
}

func (f *explained) json() []byte {
	p := f.phrase
	var o object
	if len(f.record) > 0 {
		o.b = f.record[:len(f.record)-1]
	} else {
		o.b = []byte{'{'}
		o.text("phrase", p.Name)
		o.text("kind", p.Kind)
		o.text("rank", p.Rank.String())
	}
	o.int("count", int64(f.count))
	o.text("means", p.Means)
	o.text("normal", p.Normal)
	o.text("do", p.Do)
	o.text("source", p.Source)
	o.text("seen", p.Seen)
	if len(f.readings) > 0 {
		o.text("note", strings.Join(f.readings, "; "))
	}
	return append(o.b, '}')
}

func (o *explainOptions) listPhrases(c *catalogue.Catalogue) error {
	kinds := map[string]bool{}
	for _, p := range c.Phrases {
		kinds[p.Kind] = true
	}
	var known []string
	for k := range kinds {
		known = append(known, k)
	}
	slices.Sort(known)
	for _, word := range o.words {
		if !kinds[word] {
			if q := nearest.DidYouMean(word, "", known); q != "" {
				return fmt.Errorf("unknown kind %q; %s", word, q)
			}
			return fmt.Errorf("unknown kind %q; use %s", word, strings.Join(known, ", "))
		}
	}
	out := &strings.Builder{}
	rows := [][]string{{"phrase", "kind", "rank", "says"}}
	for _, p := range c.Phrases {
		if len(o.words) > 0 && !slices.Contains(o.words, p.Kind) {
			continue
		}
		if o.json() {
			f := explained{phrase: p}
			out.Write(f.json())
			out.WriteByte('\n')
			continue
		}
		rows = append(rows, []string{p.Name, p.Kind, p.Rank.String(), escape.Line(p.Says[0])})
	}
	if !o.json() {
		out.WriteString(ui.Table(ui.ShrinkTable(rows, o.streams.Width, "says", "rank", "kind")))
	}
	_, err := io.WriteString(o.streams.Out, out.String())
	return err
}
