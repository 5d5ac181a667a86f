package commands

import (
	"strings"
	"testing"
)

func TestParseMember(t *testing.T) {
	for _, tc := range []struct {
		text string
		id   int64
		spec string
		err  string
	}{
		{"server.2=127.0.0.1:1:2;3", 2, "127.0.0.1:1:2;3", ""},
		{"5=zk5:2888:3888:observer;10.0.0.5:2181", 5, "zk5:2888:3888:observer;10.0.0.5:2181", ""},
		{"server.1 = zk1:2888:3888", 1, "zk1:2888:3888", ""},
		{"server.1=[::1]:2888:3888:participant;[::]:2181", 1, "[::1]:2888:3888:participant;[::]:2181", ""},
		{"server.1=a:2888:3888|b:2889:3889;2181;2281", 1, "a:2888:3888|b:2889:3889;2181;2281", ""},
		{"server.1=a:2888:3888;;2281", 1, "a:2888:3888;;2281", ""},
		{"zk5:2888:3888", 0, "", "missing = after"},
		{"server.x=zk5:2888:3888;2181", 0, "", "invalid server id"},
		{"server.-1=zk5:2888:3888;2181", 0, "", "invalid server id"},
		{"1=zk5:2888;2181", 0, "", "not of the form host:port1:port2"},
		{"1=:2888:3888;2181", 0, "", "not of the form host:port1:port2"},
		{"1=zk5:x:3888;2181", 0, "", "not a valid port"},
		{"1=zk5:0:3888;2181", 0, "", "not a valid port"},
		{"1=zk5:70000:3888;2181", 0, "", "not a valid port"},
		{"1=zk5:2888:2888;2181", 0, "", "the same"},
		{"1=zk5:2888:3888:boss;2181", 0, "", "not a valid role"},
		{"1=a:2888:3888:observer|b:1:2:participant;2181", 0, "", "different roles"},
		{"1=zk5:2888:3888;a:b:c", 0, "", "client address"},
		{"1=[::1:2888:3888;2181", 0, "", "IPv6"},
		{"1=a:1:2;3;4;5", 0, "", "semicolons"},
	} {
		id, spec, err := ParseMember(tc.text)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) || !strings.Contains(err.Error(), memberForm) {
				t.Errorf("ParseMember(%q): error %v, want one with %q", tc.text, err, tc.err)
			}
		} else if err != nil || id != tc.id || spec != tc.spec {
			t.Errorf("ParseMember(%q) = %d, %q, %v", tc.text, id, spec, err)
		}
	}
}

func TestParseMembers(t *testing.T) {
	got, err := ParseMembers("1=ZK1:1:2;3, server.2=b:1:2:OBSERVER;3")
	if want := "server.1=zk1:1:2;3,server.2=b:1:2:observer;3"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	for _, bad := range []string{"", "1=a:1:2;3,", "1=a:1:2;3,server.1=b:1:2;3"} {
		if got, err := ParseMembers(bad); err == nil {
			t.Errorf("ParseMembers(%q) = %q", bad, got)
		}
	}
}

func TestReadMembers(t *testing.T) {
	got, err := readMembers([]byte("# who\nserver.1=a:1:2:participant;3\nserver.2 = b:1:2;3\n\nversion=100000000\n"))
	if want := "server.1=a:1:2:participant;3\nserver.2=b:1:2;3"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	for _, bad := range []string{"", "dataDir=/x\n", "server.1=nonsense\n", "version=1\n"} {
		if got, err := readMembers([]byte(bad)); err == nil {
			t.Errorf("readMembers(%q) = %q", bad, got)
		}
	}
}

func FuzzParseMember(f *testing.F) {
	f.Add("server.1=[::1]:2888:3888:participant|b:1:2;[::]:2181;5")
	f.Fuzz(func(t *testing.T, text string) {
		if _, spec, err := ParseMember(text); err == nil && strings.Count(spec, ":") < 2 {
			t.Fatalf("ParseMember(%q) accepts %q", text, spec)
		}
	})
}
