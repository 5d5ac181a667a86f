package zoocfg

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
)

// question is a question for testdata/Reference.java, and this package's answer; an error is
// "error: " and Apache's message, which ours must contain.
type question struct {
	name  string
	words []string
	ours  func() (string, error)
}

// ask compares all answers with those of Apache's classes, in one JVM.
func ask(t *testing.T, questions []question) {
	t.Helper()
	in := apachetest.Require(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdin, stderr bytes.Buffer
	for _, q := range questions {
		words := make([]string, len(q.words))
		for i, w := range q.words {
			words[i] = base64.StdEncoding.EncodeToString([]byte(w))
		}
		stdin.WriteString(strings.Join(words, " ") + "\n")
	}
	cmd := in.JavaCommand(ctx, filepath.Join("testdata", "Reference.java"))
	cmd.Stdin, cmd.Stderr = &stdin, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var answers []string
	for line := range strings.Lines(string(out)) {
		if line, ok := strings.CutPrefix(line, "="); ok { // the rest is logging
			b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, string(b))
		}
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions\n%s", len(answers), len(questions), stderr.String())
	}
	for i, q := range questions {
		got, err := q.ours()
		if message, failed := strings.CutPrefix(answers[i], "error: "); failed {
			message = ourWords(message)
			if err == nil || !strings.Contains(err.Error(), message) {
				t.Errorf("%s: %q\ngot  %q, %v\nwant error %s", q.name, q.words, got, err, answers[i])
			}
		} else if err != nil || got != answers[i] {
			t.Errorf("%s: %q\ngot  %q, %v\nwant %q", q.name, q.words, got, err, answers[i])
		}
	}
}

// ourWords is our text where Apache's message is only its exception's, or misspelt.
func ourWords(message string) string {
	for theirs, ours := range map[string]string{
		"For input string":               "",
		"Cannot ":                        "", // a NullPointerException
		"null":                           "",
		"Index ":                         "does not have the form",
		"Address unresolved: ":           "Address unresolved: ", // it shows null for a client's host
		"Server 8is not":                 "Server 8 is not in a group",
		"Server 1is in":                  "Server 1 is in multiple groups",
		"Invalid option yes":             "syncEnabled=yes: Invalid option yes. Choose 'true' or 'false.'",
		"client address for this server": "client address for this server (id = 2) in static config file is", // addresses in Java's form follow
	} {
		if strings.HasPrefix(message, theirs) {
			return ours
		}
	}
	return message
}

func verifierText(text string) (QuorumVerifier, error) {
	v, err := ParseVerifier([]byte(text))
	if err == nil {
		err = Check(v, true)
	}
	return v, err
}

func TestLikeApache(t *testing.T) {
	var questions []question
	add := func(name string, ours func() (string, error), words ...string) {
		questions = append(questions, question{name, words, ours})
	}
	properties := func(text string) {
		add("properties", func() (string, error) {
			entries, err := parseProperties([]byte(text))
			var b strings.Builder
			for _, e := range entries {
				b.WriteString(e.key + "\x00" + e.value + "\x00")
			}
			return b.String(), err
		}, "properties", text)
	}
	for _, text := range propertyTexts {
		properties(text)
	}
	random := rand.New(rand.NewPCG(1, 2))
	const alphabet = "ab12 \t\f\n\r\\\\=:#!u0041\xe9"
	for range 4000 {
		b := make([]byte, random.IntN(40))
		for i := range b {
			b[i] = alphabet[random.IntN(len(alphabet))]
		}
		properties(string(b))
	}
	for n := range 40 { // more keys make larger tables
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "server.%d=%d\n", i*7, i)
		}
		properties(b.String())
	}

	for _, value := range []string{
		"127.0.0.1:1:2", "a.invalid:1:2:observer;3", "[::1]:1:2;[::]:3", "b.invalid:1:2|a.invalid:3:4:participant;9",
		"[fe80::1:2]:1:2;b.invalid:3", ":1:2", "a.invalid:1:2;", "a.invalid:1", "", ";", "a.invalid:1:1", "a.invalid:x:1", "a.invalid:1:2:boss",
		"a.invalid:1:70000", "[::1:2:3", "[::1]:", "[::1]", "a.invalid:1:2:", "a.invalid:1:2;1:2:3", "a.invalid:1:2;x", "a.invalid:1:2;;1",
		"[::ffff:10.1.2.3]:1:2", "a.invalid:1:2:observer|b.invalid:1:2", "a.invalid:1:2 ", "a.invalid:+1:2", "a.invalid:1:2:OBSERVER ",
	} {
		add("member", func() (string, error) {
			m, err := ParseMember(1, value)
			return m.String(), err
		}, "member", value)
	}

	verifier := func(text string) {
		add("verifier", func() (string, error) {
			v, err := verifierText(text)
			if err != nil {
				return "", err
			}
			return v.String(), nil
		}, "verifier", text)
	}
	for _, tt := range verifierTexts {
		verifier(tt.text)
		for _, ids := range tt.sets {
			add(tt.name, func() (string, error) {
				v, err := verifierText(tt.text)
				if err != nil {
					return "", err
				}
				return strconv.FormatBool(v.ContainsQuorum(parseIDs(t, ids))), nil
			}, "quorum", tt.text, ids)
		}
	}
	for range 300 { // up to 14 servers with ids far apart
		var b strings.Builder
		for range 3 + random.IntN(12) {
			id := random.Int64N(40)
			fmt.Fprintf(&b, "server.%d=h%d.invalid:1:2:participant;0.0.0.0:3\n", id, id)
		}
		base := b.String()
		verifier(base + "version=" + strconv.FormatInt(random.Int64(), 16))
		joining := fmt.Sprintf("server.%d=n.invalid:7:8;9", random.Int64N(60))
		if random.IntN(2) == 0 {
			joining += fmt.Sprintf(",server.%d=m.invalid:7:8;9", random.Int64N(60))
		}
		leaving := strconv.FormatInt(random.Int64N(40), 10)
		add("change", func() (string, error) {
			v, err := ParseVerifier([]byte(base))
			if err != nil {
				return "", err
			}
			v, err = NextVerifier(v, &proto.ReconfigRequest{JoiningServers: joining, LeavingServers: leaving, CurConfigID: -1}, 0, ReconfigOptions{StandaloneEnabled: false})
			if err != nil {
				return "", err
			}
			return v.String(), nil
		}, "change", base, strings.ReplaceAll(joining, ";9", ";0.0.0.0:9"), leaving)
	}
	for _, tt := range loadTexts {
		path := write(t, tt.files)
		add("load "+tt.name, func() (string, error) {
			c, _, err := Load(path, nil)
			if err != nil {
				return "", err
			}
			port := "none"
			if c.Client.Port != 0 {
				port = strconv.Itoa(c.Client.Port)
			}
			return fmt.Sprint(c.ServerID, " ", c.Distributed(), " ", strings.ToUpper(c.Role.String()), " ", port, " ",
				c.TickTime.Milliseconds(), " ", c.MinSessionTimeout.Milliseconds(), " ", c.MaxSessionTimeout.Milliseconds(), " ",
				c.SnapRetainCount, " ", c.DataLogDir, "\n", c.Verifier), nil
		}, "load", path)
	}
	dir := t.TempDir()
	for i, tt := range verifierTexts[:3] {
		theirs, ours := filepath.Join(dir, fmt.Sprint(i, "a")), filepath.Join(dir, fmt.Sprint(i, "b"))
		keep := i%2 == 0
		add("dynamic file", func() (string, error) {
			v, err := ParseVerifier([]byte(tt.text))
			if err != nil {
				return "", err
			}
			if err := WriteDynamic(ours, v, keep); err != nil {
				return "", err
			}
			a, err := os.ReadFile(theirs)
			if err != nil {
				return "", err
			}
			b, err := os.ReadFile(ours)
			if !bytes.Equal(a, b) {
				t.Errorf("dynamic file:\ngot  %q\nwant %q", b, a)
			}
			return "", err
		}, "dynamic", theirs, tt.text, strconv.FormatBool(keep))
	}
	ask(t, questions)
}

var propertyTexts = []string{
	"", "a", "a=b", "a = b ", "a:b", "a b", "a  =  b", "a\\=b=c", "a=b\\\n  c", "a=b\\\\\nc=d", "#a\\\nb=c", "!x\na=1\r\nb=2\rc=3",
	"a=\\u0041\\t\\n\\q", "a=\\u004", "a=\\", "=b", ":b", " = b", "a==b", "a=:b", "a : = b", "caf\xe9=\xc3\xa9", "a=1\na=2", "\\\n\\\na=1",
	"a=1\\\n#no comment", "dataDir=C:\\\\zk", "  \t", "a=b\\\r\n c", "\\ a=1", "a\\", "server.1=[::1]:2888:3888",
}

var verifierTexts = []struct {
	name, text string
	sets       []string
}{
	{"of the reference ensemble", three + "\nversion=200000005", []string{"1", "1,2", "1,2,3"}},
	{"two groups", groups(1, 6, 2) + "version=1f", []string{"1", "1,2", "1,2,4", "1,2,4,5", "4,5,6"}},
	{"weights", groups(1, 9, 3) + "weight.1=3\nweight.2=0\nweight.9=5\n", []string{"1", "1,9", "1,2,3,9", "4,5", "4,5,9", "4,5,1", "7,8", "7,8,1"}},
	{"a group that weighs nothing", groups(1, 6, 2) + "weight.4=0\nweight.5=0\nweight.6=0\n", []string{"1", "1,2", "4,5,6"}},
	{"an observer beside the groups", groups(1, 6, 2) + "server.7=h7.invalid:1:2:observer\n", []string{"1,2,7", "1,2,4,5,7"}},
	{"no group", groups(1, 6, 2) + "server.8=h8.invalid:1:2\n", nil},
	{"two groups of one server", groups(1, 6, 2) + "group.9=1\n", nil},
	{"a stranger in a group", groups(1, 6, 2) + "group.9=99\n", nil},
	{"groups of large numbers", "server.1=h1.invalid:1:2\nserver.2=h2.invalid:1:2\nserver.17=h3.invalid:1:2\ngroup.33=17:2\ngroup.16=1\n", []string{"1,2", "1,2,17"}},
	{"observers alone", "server.1=h1.invalid:1:2:observer\n", nil},
	{"one voter and an observer", "server.1=h1.invalid:1:2\nserver.2=h2.invalid:1:2:observer\n", nil},
	{"nothing", "", nil},
	{"something else", "clientPort=1\n", nil},
	{"a bad version", "version=0x1\n", nil},
	{"a bad id", "server.one=h1.invalid:1:2\n", nil},
	{"a bad group", "group=1:2\n", nil},
	{"a bad weight", groups(1, 2, 1) + "weight.1=a\n", nil},
}

// groups makes servers from first to last in n groups.
func groups(first, last, n int) string {
	var b strings.Builder
	members := make([][]string, n)
	for id := first; id <= last; id++ {
		fmt.Fprintf(&b, "server.%d=h%d.invalid:1:2\n", id, id)
		g := (id - first) * n / (last - first + 1)
		members[g] = append(members[g], strconv.Itoa(id))
	}
	for g, ids := range members {
		fmt.Fprintf(&b, "group.%d=%s\n", g+1, strings.Join(ids, ":"))
	}
	return b.String()
}

func parseIDs(t *testing.T, list string) IDs {
	ids := IDs{}
	for _, s := range strings.Split(list, ",") {
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ids.Add(id)
	}
	return ids
}

var loadTexts = []struct {
	name  string
	files map[string]string
}{
	{"standalone", map[string]string{"zoo.cfg": "dataDir=DIR\nclientPort=2181\n"}},
	{"no data directory", map[string]string{"zoo.cfg": "clientPort=2181\n"}},
	{"session timeouts", map[string]string{"zoo.cfg": "dataDir=DIR\ntickTime=100\nminSessionTimeout=50\nautopurge.snapRetainCount=1\n"}},
	{"timeouts the wrong way round", map[string]string{"zoo.cfg": "dataDir=DIR\nminSessionTimeout=50\nmaxSessionTimeout=40\n"}},
	{"tick of zero", map[string]string{"zoo.cfg": "dataDir=DIR\ntickTime=0\n"}},
	{"tick of no number", map[string]string{"zoo.cfg": "dataDir=DIR\ntickTime=2s\n"}},
	{"address without port", map[string]string{"zoo.cfg": "dataDir=DIR\nclientPortAddress=127.0.0.1\n"}},
	{"secure address without port", map[string]string{"zoo.cfg": "dataDir=DIR\nsecureClientPortAddress=127.0.0.1\n"}},
	{"boolean of another kind", map[string]string{"zoo.cfg": "dataDir=DIR\nsyncEnabled=yes\n"}},
	{"peer type", map[string]string{"zoo.cfg": "dataDir=DIR\npeerType=leader\n"}},
	{"election algorithm", map[string]string{"zoo.cfg": "dataDir=DIR\nelectionAlg=2\n"}},
	{"ensemble in zoo.cfg", map[string]string{"zoo.cfg": "dataDir=DIR\ndataLogDir=DIR/log\ninitLimit=5\nsyncLimit=2\n" + three, "myid": "2"}},
	{"client port of zoo.cfg", map[string]string{"zoo.cfg": "dataDir=DIR\nclientPort=2181\ninitLimit=5\nsyncLimit=2\nserver.1=127.0.0.1:1:2\nserver.2=127.0.0.1:3:4\n", "myid": "2"}},
	{"client ports that differ", map[string]string{"zoo.cfg": "dataDir=DIR\nclientPort=2180\ninitLimit=5\nsyncLimit=2\n" + three, "myid": "2"}},
	{"no initLimit", map[string]string{"zoo.cfg": "dataDir=DIR\nsyncLimit=2\n" + three, "myid": "2"}},
	{"no syncLimit", map[string]string{"zoo.cfg": "dataDir=DIR\ninitLimit=2\n" + three, "myid": "2"}},
	{"no myid", map[string]string{"zoo.cfg": "dataDir=DIR\ninitLimit=5\nsyncLimit=2\n" + three}},
	{"myid of no number", map[string]string{"zoo.cfg": "dataDir=DIR\ninitLimit=5\nsyncLimit=2\n" + three, "myid": "two\n"}},
	{"myid with a blank", map[string]string{"zoo.cfg": "dataDir=DIR\ninitLimit=5\nsyncLimit=2\n" + three, "myid": "2 \n"}},
	{"myid of nobody", map[string]string{"zoo.cfg": "dataDir=DIR\ninitLimit=5\nsyncLimit=2\n" + three, "myid": "9\r\n"}},
	{"observer", map[string]string{"zoo.cfg": "dataDir=DIR\ninitLimit=5\nsyncLimit=2\npeerType=observer\nserver.4=127.0.0.1:7:8:observer\n" + three, "myid": "4"}},
	{"one server", map[string]string{"zoo.cfg": "dataDir=DIR\nserver.1=127.0.0.1:1:2;2181\n", "myid": "1"}},
	{"one server that is not standalone", map[string]string{"zoo.cfg": "dataDir=DIR\ninitLimit=5\nsyncLimit=2\nstandaloneEnabled=false\nserver.1=127.0.0.1:1:2;2181\n", "myid": "1"}},
	{"nobody and not standalone", map[string]string{"zoo.cfg": "dataDir=DIR\nstandaloneEnabled=false\n"}},
	{"dynamic file", map[string]string{"zoo.cfg": "dataDir=DIR\ninitLimit=5\nsyncLimit=2\ndynamicConfigFile=DIR/zoo.cfg.dynamic.2f\n", "zoo.cfg.dynamic.2f": three, "myid": "3"}},
	{"dynamic file without a version", map[string]string{"zoo.cfg": "dataDir=DIR\ninitLimit=5\nsyncLimit=2\ndynamicConfigFile=DIR/zoo.cfg.dynamic\n", "zoo.cfg.dynamic": three, "myid": "3"}},
	{"dynamic file with a version inside", map[string]string{"zoo.cfg": "dataDir=DIR\ndynamicConfigFile=DIR/zoo.cfg.dynamic\n", "zoo.cfg.dynamic": three + "\nversion=1", "myid": "3"}},
	{"dynamic file with something else", map[string]string{"zoo.cfg": "dataDir=DIR\ndynamicConfigFile=DIR/zoo.cfg.dynamic\n", "zoo.cfg.dynamic": "tickTime=1\n"}},
	{"servers in both", map[string]string{"zoo.cfg": "dataDir=DIR\ndynamicConfigFile=DIR/zoo.cfg.dynamic\nserver.1=127.0.0.1:1:2\n", "zoo.cfg.dynamic": three}},
	{"groups", map[string]string{"zoo.cfg": "dataDir=DIR\ninitLimit=5\nsyncLimit=2\n" + three + "\ngroup.1=1:2:3\nweight.1=2\n", "myid": "1"}},
}
