package man

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
)

var page = Page{
	Name: "zkctl-set", Short: "set a znode's data - atomically", Synopsis: []string{"zkctl set [-s] path data"},
	Sections: []Section{
		{Title: "Description", Paragraphs: []string{".hidden and 'quoted' words stay as\nthey are, so does C:\\new."}},
		{Title: "Options", Terms: []Term{{"-s", "print the stat"}, {"--format text|json", ""}}},
		{Title: "Examples", Verbatim: "  zkctl set /p '{\"a\":1}'\n.\n  zkctl set /p \"x\\ny\"\n"},
	},
	SeeAlso: []string{"zkctl", "zkctl-get"},
}

func TestWrite(t *testing.T) {
	var b strings.Builder
	if err := page.Write(&b, "v1.2.3", "2026-01-02"); err != nil {
		t.Fatal(err)
	}
	const want = `.TH "ZKCTL\-SET" 1 "2026\-01\-02" "v1.2.3" "zkctl manual"
.nh
.ad l
.SH NAME
zkctl\-set \- set a znode\(aqs data \- atomically
.SH SYNOPSIS
.nf
\fBzkctl set [\-s] path data\fR
.fi
.SH "DESCRIPTION"
.PP
\&.hidden and \(aqquoted\(aq words stay as they are, so does C:\enew.
.SH "OPTIONS"
.TP
\fB\-s\fR
print the stat
.TP
\fB\-\-format text|json\fR
.SH "EXAMPLES"
.PP
.nf
  zkctl set /p \(aq{"a":1}\(aq
\&.
  zkctl set /p "x\eny"
.fi
.SH SEE ALSO
.BR zkctl (1),
.BR zkctl\-get (1)
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// groff, where it is installed, finds nothing to complain of and shows the text as it was.
func TestGroffReadsIt(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		apachetest.Missing(t, err)
	}
	var b, complaints strings.Builder
	if err := page.Write(&b, "v1.2.3", "2026-01-02"); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(groff, "-man", "-Tutf8", "-ww", "-P-cbou")
	c.Stdin, c.Stderr = strings.NewReader(b.String()), &complaints
	shown, err := c.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("%v\n%s", err, complaints.String())
	}
	for _, want := range []string{`zkctl set /p '{"a":1}'`, `zkctl set /p "x\ny"`, `.hidden and 'quoted' words`, `C:\new`, "zkctl-get(1)"} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
}
