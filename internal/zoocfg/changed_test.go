package zoocfg

import (
	"slices"
	"testing"
)

func TestChanged(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
		want          []string
	}{
		"nothing":           {"tickTime=2000\nclientPort=2181\n", "# a remark\nclientPort = 2181\n\ntickTime:2000", nil},
		"a value":           {"tickTime=2000\n", "tickTime=3000\n", []string{"tickTime"}},
		"more and less":     {"a=1\nb=2\n", "b=2\nc=3\n", []string{"a", "c"}},
		"a server":          {"server.1=a:1:2\n", "server.1=b:1:2\n", []string{"server.1"}},
		"a reconfiguration": {"server.1=a:1:2\nclientPort=2181\ninitLimit=5", "initLimit=5\ndynamicConfigFile=/x.100", nil},
		"the next one":      {"dynamicConfigFile=/x.100", "dynamicConfigFile=/x.200", nil},
		"and a person":      {"tickTime=2\nserver.1=a:1:2", "tickTime=3\ndynamicConfigFile=/x", []string{"tickTime"}},
	} {
		got, err := Changed([]byte(c.before), []byte(c.after))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
	if _, err := Changed([]byte("a=1"), []byte(`a=\uzzzz`)); err == nil {
		t.Error("a text that is none passes")
	}
}
