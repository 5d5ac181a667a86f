package ui

import (
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

func TestStackTable(t *testing.T) {
	rows := [][]string{
		{"NAME", "zk1:2181", "zk2:2181", "zk3:2181"},
		{"clientPort", "1", "22", "333"},
		{"dataDir", "/dätä/1", "/dätä/2", "?"},
	}
	for _, test := range []struct {
		width int
		want  string
	}{
		{80, `
NAME        zk1:2181  zk2:2181  zk3:2181
clientPort         1        22       333
dataDir      /dätä/1   /dätä/2         ?
`}, {38, `
NAME        zk1:2181  zk2:2181
clientPort         1        22
dataDir      /dätä/1   /dätä/2

NAME        zk3:2181
clientPort       333
dataDir            ?
`}, {10, `
NAME        zk1:2181
clientPort  1
dataDir     /dätä/1

NAME        zk2:2181
clientPort  22
dataDir     /dätä/2

NAME        zk3:2181
clientPort  333
dataDir     ?
`},
	} {
		got := StackTable(rows, test.width, rows[0][1:]...)
		if got != test.want[1:] {
			t.Errorf("width %d:\n%s\nwant%s", test.width, got, test.want)
		}
		for line := range strings.Lines(got) {
			if n := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); test.width > 20 && n > test.width {
				t.Errorf("width %d: %d columns: %s", test.width, n, line)
			}
		}
	}
}

func TestShrinkTable(t *testing.T) {
	rows := func() [][]string {
		return [][]string{{"ID", "CLIENT", "SERVERS", "HOW"}, {"0x1", "a-client-of-a-long-name", "1 2 3", "closed"}, {"0x2", "b", "1", "expired"}}
	}
	for _, test := range []struct {
		width int
		want  string
	}{
		{80, "ID   CLIENT                   SERVERS  HOW\n0x1  a-client-of-a-long-name  1 2 3    closed\n0x2  b                        1        expired\n"},
		{44, "ID   CLIENT                 SERVERS  HOW\n0x1  a-client-of-a-long-n…  1 2 3    closed\n0x2  b                      1        expired\n"},
		{30, "ID   CLIENT            HOW\n0x1  a-client-of-a-l…  closed\n0x2  b                 expired\n"},
		{5, "ID   CLIENT    HOW\n0x1  a-clien…  closed\n0x2  b         expired\n"},
	} {
		if got := Table(ShrinkTable(rows(), test.width, "CLIENT", "SERVERS")); got != test.want {
			t.Errorf("width %d:\n%s\nwant\n%s", test.width, got, test.want)
		}
	}
}
