package exposition_test

import (
	"math"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/exposition"
	"github.com/zkctl/zkctl/internal/exposition/expositiontest"
)

func TestPage(t *testing.T) {
	var p exposition.Page
	connections := p.Family("connections", exposition.Gauge, "Connections of \\ \n clients.")
	latency := p.Family("read latency", exposition.Summary, "")
	p.Family("empty", exposition.Counter, "Left out.")
	connections.Add(3, exposition.Label{Name: "member", Value: "a\"\\\n\xff"})
	latency.Quantile(0.5, math.NaN(), exposition.Label{Name: "member", Value: "1"})
	latency.Count(0)
	latency.Sum(1.5)
	connections.Add(1e18, exposition.Label{Name: "member", Value: "2"}, exposition.Label{Name: "x", Value: ""})
	p.Family("connections", exposition.Gauge, "").Add(4, exposition.Label{Name: "member", Value: "2"}, exposition.Label{Name: "x", Value: ""})
	p.Family("connections", exposition.Counter, "").Add(4, exposition.Label{Name: "member", Value: "3"})
	var b strings.Builder
	if _, err := p.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	const want = `# HELP connections Connections of \\ \n clients.
# TYPE connections gauge
connections{member="a\"\\\n` + "\uFFFD" + `"} 3
connections{member="2",x=""} 1e+18
# TYPE read_latency summary
read_latency{member="1",quantile="0.5"} NaN
read_latency_count 0
read_latency_sum 1.5
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	if _, err := expositiontest.Read(b.String()); err != nil {
		t.Error(err)
	}
}

// Whatever a member calls its metrics, and its peers, the page stays readable.
func FuzzPage(f *testing.F) {
	f.Add("9 zk\n", "a\"}\n# TYPE", 1.5)
	f.Fuzz(func(t *testing.T, name, value string, v float64) {
		var p exposition.Page
		p.Family(name, exposition.Gauge, value).Add(v, exposition.Label{Name: "l", Value: value})
		var b strings.Builder
		if _, err := p.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if got, err := expositiontest.Read(b.String()); err != nil || len(got.Samples) != 1 {
			t.Errorf("%v, %d samples in %q", err, len(got.Samples), b.String())
		}
	})
}
