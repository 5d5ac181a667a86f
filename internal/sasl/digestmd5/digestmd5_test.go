package digestmd5

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func secret(user string) (string, bool) {
	passwords := map[string]string{"chris": "secret", "björn": "größe", "Łukasz": "zażółć", `a"b\c`: "x,y=\"z\""}
	p, ok := passwords[user]
	return p, ok
}

// TestVectors: the examples of RFC 2831, section 4.
func TestVectors(t *testing.T) {
	for uri, v := range map[string]struct{ nonce, cnonce, response, rspauth string }{
		"imap": {"OA6MG9tEQGm2hh", "OA6MHXh6VqTrRk", "d388dad90d4bbd760a152321f2143af7", "ea40f60335c427b5527b84dbabcdfffd"},
		"acap": {"OA9BSXrbuRhWay", "OA9BSuZWMSpW8m", "6084c6db3fede7352c551284490fd0fc", "2f0b3d7c3c2e486600ef710726aa2eae"},
	} {
		c := NewClient("chris", "secret", uri, "elwood.innosoft.com")
		c.nonce, c.anonymous = func() []byte { return []byte(v.cnonce) }, true
		if first, done, err := c.Step(nil); len(first) > 0 || done || err != nil {
			t.Fatal(string(first), done, err)
		}
		answer, done, err := c.Step([]byte(`realm="elwood.innosoft.com",nonce="` + v.nonce + `",qop="auth",algorithm=md5-sess,charset=utf-8`))
		want := `charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="` + v.nonce + `",nc=00000001,cnonce="` + v.cnonce +
			`",digest-uri="` + uri + `/elwood.innosoft.com",maxbuf=65536,response=` + v.response + `,qop=auth`
		if string(answer) != want || done || err != nil {
			t.Errorf("answer\n%s, want\n%s; %v", answer, want, err)
		}
		if _, done, err := c.Step([]byte("rspauth=" + v.rspauth)); !done || err != nil {
			t.Error(done, err)
		}

		s := NewServer(uri, "elwood.innosoft.com", secret)
		s.nonce = []byte(v.nonce)
		if _, done, err := s.Step(nil); done || err != nil {
			t.Error(done, err)
		}
		if proof, done, err := s.Step(answer); string(proof) != "rspauth="+v.rspauth || !done || err != nil || s.User() != "chris" || s.AuthorizationID() != "chris" {
			t.Errorf("%s, %v, %v", proof, done, err)
		}
	}
}

func TestBothHalves(t *testing.T) {
	for name, test := range map[string]struct {
		user, password, protocol string
		want                     error
	}{
		"right":          {"chris", "secret", Protocol, nil},
		"Latin-1":        {"björn", "größe", Protocol, nil},
		"UTF-8":          {"Łukasz", "zażółć", Protocol, nil},
		"quotes":         {`a"b\c`, "x,y=\"z\"", Protocol, nil},
		"wrong password": {"chris", "Secret", Protocol, ErrPassword},
		"no password":    {"chris", "", Protocol, ErrPassword},
		"unknown user":   {"nobody", "", Protocol, ErrUser},
		"other service":  {"chris", "secret", QuorumProtocol, new(MalformedError)},
	} {
		c, s := NewClient(test.user, test.password, test.protocol, ServerName), NewServer(Protocol, ServerName, secret)
		token, _, _ := c.Step(nil)
		token, _, err := s.Step(token)
		if err != nil || len(s.nonce) != 40 {
			t.Fatal(err, len(s.nonce))
		}
		token, _, err = c.Step(token)
		if err != nil {
			t.Fatal(err)
		}
		token, done, err := s.Step(token)
		if test.want == nil {
			if err != nil || !done || s.User() != test.user || s.AuthorizationID() != test.user {
				t.Errorf("%s: %v, %v, %q", name, done, err, s.User())
			}
			if _, done, err := c.Step(token); err != nil || !done {
				t.Errorf("%s: the client: %v, %v", name, done, err)
			}
			continue
		}
		var bad *MalformedError
		if done || token != nil || s.User() != "" || !errors.Is(err, test.want) && (!errors.As(test.want, &bad) || !errors.As(err, &bad)) {
			t.Errorf("%s: %v, %v", name, done, err)
		}
		if _, done, err := s.Step(nil); done || err == nil {
			t.Errorf("%s: the server goes on", name)
		}
	}
}

// TestServerIsChecked: a client does not accept a server that does not know the password.
func TestServerIsChecked(t *testing.T) {
	c := NewClient("chris", "secret", Protocol, ServerName)
	_, _, _ = c.Step(nil)
	if _, _, err := c.Step([]byte(`realm="r",nonce="n",algorithm=md5-sess,charset=utf-8`)); err != nil {
		t.Fatal(err)
	}
	if _, done, err := c.Step([]byte("rspauth=" + strings.Repeat("0", 32))); done || !errors.Is(err, ErrServer) {
		t.Error(done, err)
	}
}

func TestBadChallenges(t *testing.T) {
	for challenge, want := range map[string]string{
		"":                        "algorithm",
		`nonce="n"`:               "algorithm",
		`algorithm=md5-sess`:      "without a nonce",
		`algorithm=md5,nonce="n"`: `algorithm is "md5"`,
		`algorithm=md5-sess,nonce="n",charset=latin`:  "charset",
		`algorithm=md5-sess,nonce="n",qop="auth-int"`: "demands the protection auth-int",
		`algorithm=md5-sess,nonce="n",nonce="m"`:      "nonce is given twice",
		`algorithm=md5-sess,nonce="n`:                 "closing quote is missing",
		`algorithm=md5-sess,nonce="n\`:                "closing quote is missing",
		`algorithm=md5-sess,nonce="n"x`:               "follows the closing quote",
		`algorithm,nonce="n"`:                         "without a value",
		`algorithm nonce="n"`:                         "without a value",
		`algorithm=`:                                  "without a value",
		`=x`:                                          "without a directive",
		"\x1b[31m":                                    `"\x1b[31m"`,
		`algorithm=md5-sess,nonce="` + strings.Repeat("n", 3000): "the limit is 2048",
	} {
		c := NewClient("chris", "secret", Protocol, ServerName)
		_, _, _ = c.Step(nil)
		if answer, done, err := c.Step([]byte(challenge)); answer != nil || done || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", challenge, err, want)
		}
		if _, done, err := c.Step([]byte("rspauth=")); done || err == nil {
			t.Errorf("%s: the client goes on", challenge)
		}
	}
}

func TestBadResponses(t *testing.T) {
	good := func(s *Server) string {
		c := NewClient("chris", "secret", Protocol, ServerName)
		_, _, _ = c.Step(nil)
		challenge, _, _ := s.Step(nil)
		answer, _, _ := c.Step(challenge)
		return string(answer)
	}
	for name, test := range map[string]struct{ old, with, want string }{
		"no user":        {`username="chris",`, "", "no username"},
		"two users":      {`username="chris",`, `username="chris",username="super",`, "username is given twice"},
		"other realm":    {`realm="zk-sasl-md5"`, `realm="x"`, `realm is "x"`},
		"two realms":     {`realm="zk-sasl-md5"`, `realm="zk-sasl-md5",realm="x"`, "realm is given twice"},
		"no realm":       {`realm="zk-sasl-md5",`, "", "realm is"},
		"other nonce":    {`,nonce="`, `,nonce="x`, "nonce"},
		"no cnonce":      {`cnonce=`, "x=", "no cnonce"},
		"integrity":      {"qop=auth", "qop=auth-int", "qop is"},
		"other service":  {`digest-uri="zookeeper/`, `digest-uri="imap/`, "digest-uri is"},
		"no response":    {"response=", "x=", "no response"},
		"other charset":  {"charset=utf-8", "charset=x", "charset is"},
		"other authzid":  {`authzid="chris"`, `authzid="super"`, ErrPassword.Error()},
		"enormous":       {`authzid=`, strings.Repeat("x", 5000), "the limit is 4096"},
		"proof repeated": {"response=", "response=x,response=", "response is given twice"},
	} {
		s := NewServer(Protocol, ServerName, secret)
		response := good(s)
		changed := strings.Replace(response, test.old, test.with, 1)
		if changed == response {
			t.Fatal(name, "changes nothing")
		}
		if answer, done, err := s.Step([]byte(changed)); answer != nil || done || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if _, done, err := s.Step([]byte(response)); done || err == nil {
			t.Errorf("%s: a second attempt is accepted", name)
		}
	}
	s := NewServer(Protocol, ServerName, secret)
	if answer, done, err := s.Step([]byte("x")); done || err != nil || !strings.Contains(string(answer), "nonce=") {
		t.Errorf("a response before the challenge: %q, %v", answer, err)
	}
	if _, _, err := s.Step(make([]byte, maxResponse+1)); err == nil {
		t.Error("an enormous response is accepted")
	}
	if _, _, err := s.Step(nil); err == nil {
		t.Error("the server goes on")
	}
}

// TestLatin1: a peer that does not know UTF-8 gets ISO 8859-1.
func TestLatin1(t *testing.T) {
	c := NewClient("björn Ł", "größe", Protocol, ServerName)
	_, _, _ = c.Step(nil)
	answer, _, err := c.Step([]byte(`nonce="n",algorithm=md5-sess`))
	if err != nil || !bytes.HasPrefix(answer, []byte("username=\"bj\xf6rn ?\",nonce=")) {
		t.Errorf("%q, %v", answer, err)
	}
}

// FuzzDirectives: whatever a peer sends, neither half panics, and only the right password is
// accepted.
func FuzzDirectives(f *testing.F) {
	f.Add([]byte(`realm="zk-sasl-md5",nonce="n",charset=utf-8,algorithm=md5-sess`))
	f.Add([]byte("rspauth=ea40f60335c427b5527b84dbabcdfffd"))
	f.Add([]byte(`charset=utf-8,username="chris",realm="zk-sasl-md5",nonce="n",nc=00000001,cnonce="c",digest-uri="zookeeper/zk-sasl-md5",maxbuf=65536,response=0,qop=auth,authzid="chris"`))
	f.Add([]byte("a = \"\\\"\" ,\t\r\n, b=c d=e"))
	f.Fuzz(func(t *testing.T, token []byte) {
		if d, err := parse(token, "realm", "nonce"); err == nil && len(d["nonce"]) > 1 {
			t.Error("two nonces")
		}
		if value, rest, err := unquote(quote(nil, token)[1:]); err != nil || !bytes.Equal(value, token) || len(rest) > 0 {
			t.Errorf("%q: %q, %q, %v", token, value, rest, err)
		}
		c := NewClient("chris", "secret", Protocol, ServerName)
		_, _, _ = c.Step(nil)
		if _, done, err := c.Step(token); done {
			t.Error("complete without a proof", err)
		}
		if _, done, _ := c.Step(token); done {
			t.Error("the challenge is taken for a proof")
		}
		s := NewServer(Protocol, ServerName, func(string) (string, bool) { return "secret", true })
		s.nonce = []byte("n")
		_, _, _ = s.Step(nil)
		if _, done, _ := s.Step(token); done {
			t.Errorf("%q is accepted", token)
		}
	})
}
