package local

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/zkctl/zkctl/localserver"
)

// FuzzControl: whatever arrives with the right token is answered with one envelope, and without it with none. The context of
// each request has ended, so that nothing waits for what it asks to be done.
func FuzzControl(f *testing.F) {
	for _, body := range []string{
		``, `null`, `[]`, `{"version":2,"request":"status","body":{}}`, `{"version":2,"request":"status"}`, `{"version":3,"request":"status","body":{}}`,
		`{"version":2,"request":"kill","body":{"ids":[1,-1,9223372036854775807],"leader":true}}`, `{"version":2,"request":"kill","body":{"ids":[1e99]}}`,
		`{"version":2,"request":"partition","body":{"sides":[{"ids":[1]},{},null,{"leader":true}]}}`, `{"version":2,"request":"heal","body":null}`,
		`{"version":2,"request":"pause","body":{"ids":null}}`, `{"version":2,"request":"add","body":{"observer":true,"engine":"\u0000"}}`,
		`{"version":2,"request":"remove","body":{"ids":[0]}}`, `{"version":2,"request":"restart","body":[]}`, `{"version":2,"request":"resume","body":{}}`,
		`{"version":2,"request":"stop","body":{}}`, `{"version":2,"request":"halt","body":{"ids":[2]}} {"version":2}`,
	} {
		f.Add([]byte(body))
	}
	p := &process{stop: make(chan struct{}, 1), server: &Server{Name: "dev", Control: controlAddr{Token: "secret"}},
		ensemble: localserver.New(f, localserver.Options{Ephemeral: true})}
	ended, end := context.WithCancel(f.Context())
	end()
	post := func(token string, body []byte) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(ended, http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if w := post("", body); w.Code != http.StatusForbidden {
			t.Fatalf("without a token: %d %s", w.Code, w.Body)
		}
		w := post("secret", body)
		var reply replyEnvelope
		dec := json.NewDecoder(w.Body)
		if err := dec.Decode(&reply); err != nil || w.Code != http.StatusOK || reply.Version != controlVersion || (reply.Error == "") == (len(reply.Body) == 0) || dec.More() {
			t.Fatalf("%q: %d, %+v, %v", body, w.Code, reply, err)
		}
	})
}
