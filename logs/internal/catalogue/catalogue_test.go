package catalogue

import (
	"strings"
	"testing"
)

// TestPhrases holds every entry to the format that a person who adds one is promised.
func TestPhrases(t *testing.T) {
	c := Load()
	if len(c.Phrases) < 150 {
		t.Errorf("only %d phrases", len(c.Phrases))
	}
	names := map[string]bool{}
	says := map[string]string{}
	for _, p := range c.Phrases {
		if names[p.Name] {
			t.Errorf("%s: twice", p.Name)
		}
		names[p.Name] = true
		if p.Means == "" || p.Normal == "" || p.Do == "" || p.Source == "" || len(p.Says) == 0 {
			t.Errorf("%s: says, means, normal, do and source must be there", p.Name)
		}
		for _, s := range []string{p.Means, p.Normal, p.Do} {
			if s != "" && !strings.HasSuffix(s, ".") {
				t.Errorf("%s: %q is no sentence", p.Name, s)
			}
		}
		for _, s := range p.Says {
			if says[s] != "" {
				t.Errorf("%s: %s says the same: %s", p.Name, says[s], s)
			}
			says[s] = p.Name
			// What the wording itself says, with something in its holes, must be found.
			var m Match
			line := filled(s)
			if !c.Match([]byte(line), &m) {
				t.Errorf("%s: not recognised: %s", p.Name, line)
			} else if m.Phrase != p {
				t.Errorf("%s: taken for %s: %s", p.Name, m.Phrase.Name, line)
			}
		}
	}
}

// filled puts something that fits into a wording's holes.
func filled(says string) string {
	tmpl, err := newTemplate(says, nil)
	if err != nil {
		return says
	}
	b := &strings.Builder{}
	b.WriteString(tmpl.literal)
	for _, h := range tmpl.holes {
		b.WriteString([]string{"a text", "word", "42", "0x2a", "-42", "a cause"}[h.typ])
		b.WriteString(h.next)
	}
	if tmpl.open {
		b.WriteString(" and more")
	}
	return b.String()
}

func TestMatch(t *testing.T) {
	for _, test := range []struct{ message, phrase, fields string }{
		{"Have smaller server identifier, so dropping the connection: (3, 1)", "smaller-server-identifier", "sid=3 myid=1"},
		{"Have smaller server identifier, so dropping the connection: (myId:1 --> sid:3)", "smaller-server-identifier", "myid=1 sid=3"},
		{"Unable to read additional data from server sessionid 0x0, likely server has closed socket, closing socket connection and attempting reconnect", "client-server-closed", "session=0x0"},
		{"Authenticated: id=-71951093464346013, timeout=4000", "go-authenticated", "session=0xff0060dc98db5263 ms=4000"},
		{"LEADING", "leading", ""},
		{"LEADING - LEADER ELECTION TOOK - 354", "election-took", "ms=354"},
		{"LEADING - LEADER ELECTION TOOK - 354 MS", "election-took", "ms=354 unit=MS"},
		{"******* GOODBYE /192.0.2.163:44118 ********", "goodbye", "addr=/192.0.2.163:44118"},
		{"******* GOODBYE sid:2 /192.0.2.163:44118 ********", "goodbye", "sid=2 addr=/192.0.2.163:44118"},
		{"Notification: 1 (message format version), 3 (n.leader), 0x0 (n.zxid), 0x1 (n.round), LOOKING (n.state), 2 (n.sid), 0x0 (n.peerEpoch) LEADING (my state)", "notification",
			"format=1 leader=3 zxid=0x0 round=0x1 peerstate=LOOKING sid=2 epoch=0x0 state=LEADING config="},
		{"Exception causing close of session 0x0 due to java.io.IOException: Len error 1195725856", "server-closing-exception", "session=0x0 cause=java.io.IOException: Len error 1195725856"},
	} {
		var m Match
		if !Load().Match([]byte(test.message), &m) {
			t.Errorf("not recognised: %s", test.message)
			continue
		}
		var fields []string
		for f := range m.Fields {
			fields = append(fields, f.Name+"="+string(f.Value))
		}
		if got := strings.Join(fields, " "); m.Phrase.Name != test.phrase || got != test.fields {
			t.Errorf("%s\n  is %s %s\nwant %s %s", test.message, m.Phrase.Name, got, test.phrase, test.fields)
		}
	}
}

func TestReading(t *testing.T) {
	for _, test := range []struct{ message, reading string }{
		{"Len error 1195725856", `the bytes "GET ": an HTTP request`},
		{"Len error 369295616", "the start of a TLS handshake"},
		{"Closing session 0x0", "no session yet"},
		{"Closing session 0x300001234560007", "made by server 3"},
		{"Snapshotting: 0x9000a6b4d to /x/snapshot.9000a6b4d", "epoch 9, transaction 682829"},
	} {
		var m Match
		if !Load().Find([]byte(test.message), &m) {
			t.Fatalf("not recognised: %s", test.message)
		}
		found := ""
		for f := range m.Fields {
			found += Reading(&f) + "; "
		}
		if !strings.Contains(found, test.reading) {
			t.Errorf("%s: %s, want %s", test.message, found, test.reading)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, p := range Load().Phrases {
		for _, s := range p.Says {
			f.Add([]byte(filled(s)))
		}
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		var m Match
		if Load().Match(message, &m) {
			for field := range m.Fields {
				_ = Reading(&field)
			}
		}
		Load().Find(message, &m)
	})
}

func FuzzParse(f *testing.F) {
	f.Add("[a]\nsays: b <c:int> d...\nmeans: e\n f\n")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := Parse("kind", text); err == nil {
			var m Match
			c.Match([]byte("b 1 d"), &m)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	known := []byte("Closed socket connection for client /192.0.2.201:47752 which had sessionid 0xff902365d9b70e63")
	unknown := []byte("Processed request of client /192.0.2.201:47752")
	var m Match
	c := Load()
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			c.Match(known, &m)
		}
	})
	b.Run("unknown", func(b *testing.B) {
		for b.Loop() {
			c.Match(unknown, &m)
		}
	})
}
