package release

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"3.8": "3.8.6", "3.9": "3.9.5", "3.8.0": "3.8.0", "3.8.6": "3.8.6", "3.9.0": "3.9.0", "3.9.5": "3.9.5",
		"": "", "3": "", "3.7": "", "3.10": "", "3.8.7": "", "3.9.6": "", "3.09": "", "3.9.05": "", "3.9.": "", "3.9.5.1": "", "3.9.-1": "", "4.8": "",
		"3.9.5-SNAPSHOT": "", " 3.9": "", "latest": "",
	} {
		r, err := Parse(text)
		switch {
		case want == "" && (err == nil || !strings.Contains(err.Error(), "3.8, 3.9")):
			t.Errorf("Parse(%q) = %v, %v, want an error that lists what there is", text, r, err)
		case want != "" && (err != nil || r.String() != want):
			t.Errorf("Parse(%q) = %v, %v, want %s", text, r, err, want)
		}
	}
	if Newest.String() != "3.9.5" {
		t.Errorf("the newest is %v", Newest)
	}
}

func TestNearest(t *testing.T) {
	for version, want := range map[string]string{
		"3.8.0-6401e4ad2087061bc6b9f80dec2d69f2e3c8660a, built on 04/08/2022 16:35 GMT": "3.8.0",
		"3.9.5-293c895a8, built on 2026-02-11 10:00 UTC":                                "3.9.5",
		"3.4.14": "3.8.0", "3.7.2": "3.8.0", "3.8.9": "3.8.6", "3.9.7": "3.9.5", "3.10.0-SNAPSHOT": "3.9.5", "4.0.0": "3.9.5",
		"": "", "3.9": "", "v3.9.1": "", "release 3.9.1": "", "3.99999999999999999999.1": "",
	} {
		r, ok := Nearest(version)
		if ok != (want != "") || ok && r.String() != want {
			t.Errorf("Nearest(%q) = %v, %v, want %q", version, r, ok, want)
		}
	}
}

// TestChanges holds each change to the tags of Apache ZooKeeper whose source first has it.
func TestChanges(t *testing.T) {
	all := []string{"3.8.0", "3.8.1", "3.8.2", "3.8.3", "3.8.4", "3.8.5", "3.8.6", "3.9.0", "3.9.1", "3.9.2", "3.9.3", "3.9.4", "3.9.5"}
	for _, c := range []struct {
		name string
		has  func(Release) bool
		in   string // the releases that have it, in the order of all
	}{
		{"ZOOKEEPER-2590", Release.ExistsNeedsRead, "3.8.4 3.8.5 3.8.6 3.9.2 3.9.3 3.9.4 3.9.5"},
		{"ZOOKEEPER-4026", Release.MultiKeepsCreate2, "3.8.2 3.8.3 3.8.4 3.8.5 3.8.6 3.9.0 3.9.1 3.9.2 3.9.3 3.9.4 3.9.5"},
		{"ZOOKEEPER-4730", Release.DirSizes, "3.8.4 3.8.5 3.8.6 3.9.2 3.9.3 3.9.4 3.9.5"},
		{"ZOOKEEPER-4415", Release.TLS13, "3.9.2 3.9.3 3.9.4 3.9.5"},
		{"ZOOKEEPER-4730 in the log", Release.RefusalNamesSession, "3.9.2 3.9.3 3.9.4 3.9.5"},
		{"ZOOKEEPER-4655", Release.EventZxid, "3.9.0 3.9.1 3.9.2 3.9.3 3.9.4 3.9.5"},
		{"ZOOKEEPER-4466", Release.WatchModes, "3.9.0 3.9.1 3.9.2 3.9.3 3.9.4 3.9.5"},
		{"ZOOKEEPER-4240", Release.IPv6ACLs, "3.9.4 3.9.5"},
		{"ZOOKEEPER-4570", Release.AdminSnapshots, "3.9.0 3.9.1 3.9.2 3.9.3 3.9.4 3.9.5"},
	} {
		var in []string
		for _, text := range all {
			r, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if c.has(r) {
				in = append(in, text)
			}
		}
		if got := strings.Join(in, " "); got != c.in {
			t.Errorf("%s is in %s, want %s", c.name, got, c.in)
		}
	}
}

func TestBefore(t *testing.T) {
	old, new := Release{8, 6}, Release{9, 0}
	if !old.Before(new) || new.Before(old) || old.Before(old) || !(Release{8, 0}).Before(old) {
		t.Error("releases are out of order")
	}
}
