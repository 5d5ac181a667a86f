package zoocfg

import (
	"strings"
	"testing"
)

func TestMember(t *testing.T) {
	// Each printed form is QuorumServer.toString's.
	for _, tt := range []struct{ name, value, want string }{
		{"all given", "127.0.0.1:22881:23881:participant;127.0.0.1:22181", "127.0.0.1:22881:23881:participant;127.0.0.1:22181"},
		{"role by default", "zoo1:2888:3888", "zoo1:2888:3888:participant"},
		{"client port alone", "zoo1:2888:3888;2181", "zoo1:2888:3888:participant;0.0.0.0:2181"},
		{"observer", "zoo1:2888:3888:OBSERVER;zoo1:2181", "zoo1:2888:3888:observer;zoo1:2181"},
		{"IPv6", "[::1]:2888:3888;[fe80::2]:2181", "[0:0:0:0:0:0:0:1]:2888:3888:participant;[fe80:0:0:0:0:0:0:2]:2181"},
		{"several addresses", "zoo2:2889:3889|zoo1:2888:3888;2181", "zoo1:2888:3888|zoo2:2889:3889:participant;0.0.0.0:2181"},
		{"roles of several addresses", "zoo2:2889:3889:observer|zoo1:2888:3888:observer", "zoo1:2888:3888|zoo2:2889:3889:observer"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:2888:3888", "10.0.0.1:2888:3888:participant"},
		{"no host", ":2888:3888", "localhost:2888:3888:participant"},
		{"semicolon alone", "zoo1:2888:3888;", "zoo1:2888:3888:participant"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ParseMember(1, tt.value)
			if err != nil {
				t.Fatal(err)
			}
			if m.String() != tt.want {
				t.Errorf("got  %s\nwant %s", m, tt.want)
			}
		})
	}
}

func TestMemberErrors(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"empty", "", "does not have the form server_config"},
		{"no election port", "zoo1:2888", "does not have the form server_config"},
		{"too many parts", "zoo1:2888:3888:observer:1", "does not have the form server_config"},
		{"IPv6 without brackets", "::1:2888:3888", "does not have the form server_config"},
		{"port is a word", "zoo1:a:3888", "Address unresolved: zoo1:a"},
		{"port too large", "zoo1:2888:65536", "port out of range:65536"},
		{"same ports", "zoo1:2888:2888", "Client and election port must be different! Please update the configuration file on server.7"},
		{"role", "zoo1:2888:3888:leader", "Unrecognised peertype: leader"},
		{"two roles", "a:1:2:observer|b:1:2:participant", "Multiple addresses should have similar roles: observer vs participant"},
		{"open bracket", "[::1:2888:3888", "has no matching ']:'"},
		{"client", "zoo1:2888:3888;a:b:c", "does not have the form server_config"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ParseMember(7, tt.value)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v; want an error with %q", m, err, tt.want)
			}
		})
	}
}

func FuzzMember(f *testing.F) {
	for _, s := range []string{"a:1:2", "[::1]:1:2:observer;3", "a:1:2|b:3:4;c:5", ";", "|", "[", "[]:", "[a]", "a:1:2;[b]:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMember(1, s)
		if err != nil {
			return
		}
		again, err := ParseMember(1, m.String())
		if strings.ContainsAny(s, "[]%") { // Java takes more between brackets than it prints
			return
		}
		if err != nil || !again.Equal(m) || again.String() != m.String() {
			t.Errorf("%q is %q, then %q (%v)", s, m, again, err)
		}
	})
}
