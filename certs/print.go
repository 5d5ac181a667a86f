package certs

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fatih/color"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

func printFindings(s *ui.Streams, format ui.Format, findings []*finding) error {
	if format == ui.JSON {
		for _, f := range findings {
			f.Certificates, f.Faults, f.Notes = full(f.Certificates), full(f.Faults), full(f.Notes)
			if err := ui.PrintJSON(s.Out, f); err != nil {
				return err
			}
		}
		return nil
	}
	var out strings.Builder
	for i, f := range findings {
		if i > 0 {
			out.WriteString("\n")
		}
		f.print(s, &out)
	}
	_, err := io.WriteString(s.Out, out.String())
	return err
}

// full is the list, not null in JSON.
func full[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (f *finding) print(s *ui.Streams, out *strings.Builder) {
	row := func(label, text string) { fmt.Fprintln(out, s.Hang("  "+label+escape.Line(text), 4)) }
	line := func(format string, args ...any) { row("", fmt.Sprintf(format, args...)) }
	state := s.Paint("ok", color.FgGreen)
	if len(f.Faults) > 0 {
		state = s.Paint("failed", color.FgRed)
	}
	fmt.Fprintf(out, "%s: %s\n", escape.Line(f.Target), state)
	if f.Protocol != "" {
		line("%s, %s; client certificate: %s", f.Protocol, f.Cipher, f.ClientAuth)
	}
	for _, c := range f.Certificates {
		names := ""
		if len(c.Names) > 0 && (len(c.Names) > 1 || !strings.HasSuffix(c.Subject, "CN="+c.Names[0])) {
			names = " for " + strings.Join(c.Names, ", ")
		}
		by := "signed by " + c.Issuer
		if c.Issuer == c.Subject {
			by = "signed by itself"
		}
		line("%s%s: %s, %s, until %s (%s)", c.Subject, names, by, c.Key, time.UnixMilli(c.NotAfter).Local().Format(time.DateOnly), left(c.DaysLeft, c.NotAfter))
	}
	if f.PrivateKey != nil && *f.PrivateKey {
		line("with the private key of the first")
	}
	if f.Trusted != nil && *f.Trusted {
		line("the trust store vouches for it")
	}
	for _, text := range f.Faults {
		row(s.Paint("fault:", color.FgRed)+" ", text)
	}
	for _, text := range f.Notes {
		row("note: ", text)
	}
}

func left(days int, until int64) string {
	switch {
	case time.UnixMilli(until).Before(time.Now()):
		return "expired"
	case days == 1:
		return "1 day left"
	}
	return fmt.Sprintf("%d days left", days)
}
