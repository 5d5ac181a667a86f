package fourletter

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/port/porttest"
)

// heard reads a four-letter word.
func heard(c net.Conn) string {
	word := make([]byte, 4)
	_, _ = io.ReadFull(c, word)
	return string(word)
}

func TestAsk(t *testing.T) {
	addr := porttest.Serve(t, func(c net.Conn) { _, _ = io.WriteString(c, "you asked for "+heard(c)) })
	reply, err := Ask(t.Context(), nil, addr, "srvr")
	if err != nil || string(reply) != "you asked for srvr" {
		t.Errorf("got %q, %v", reply, err)
	}
}

func TestAskKeepsWhatCameBeforeAReset(t *testing.T) {
	addr := porttest.Serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "imok") // and closes with the word unread, which resets the connection
	})
	for range 20 {
		reply, err := Ask(t.Context(), nil, addr, "ruok")
		if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
			continue // the reset came before the reply was read, or before the word was sent
		}
		if err != nil || string(reply) != "imok" {
			t.Errorf("got %q, %v", reply, err)
		}
	}
}

func TestAskEndsWithItsContext(t *testing.T) {
	for name, answer := range map[string]func(net.Conn){
		"a silent port": func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"a cut-off reply": func(c net.Conn) {
			_, _ = io.WriteString(c, "Zookeeper version: 3.8.0")
			_, _ = io.Copy(io.Discard, c)
		},
		"a reply that trickles": func(c net.Conn) {
			for err := error(nil); err == nil; time.Sleep(time.Millisecond) {
				_, err = io.WriteString(c, ".")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			reply, err := Ask(ctx, nil, porttest.Serve(t, answer), "srvr")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %q, %v", reply, err)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestAskBoundsTheReply(t *testing.T) {
	much := bytes.Repeat([]byte("/a-znode\n"), 100_000)
	addr := porttest.Serve(t, func(c net.Conn) {
		for err := error(nil); err == nil; {
			_, err = c.Write(much)
		}
	})
	if reply, err := Ask(t.Context(), nil, addr, "wchp"); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %d bytes, %v", len(reply), err)
	}
}

func TestAskOverTLS(t *testing.T) {
	donor := httptest.NewTLSServer(nil) // of a certificate, and of a client that trusts it
	defer donor.Close()
	addr := porttest.Serve(t, func(c net.Conn) {
		secure := tls.Server(c, donor.TLS)
		heard(secure)
		_, _ = io.WriteString(secure, "imok")
		_ = secure.Close()
	})
	cfg := donor.Client().Transport.(*http.Transport).TLSClientConfig
	if reply, err := Ask(t.Context(), TLS(cfg), addr, "ruok"); err != nil || string(reply) != "imok" {
		t.Errorf("got %q, %v", reply, err)
	}
	if reply, err := Ask(t.Context(), TLS(new(tls.Config)), addr, "ruok"); err == nil {
		t.Errorf("a stranger's certificate was accepted: %q", reply)
	}
}

func TestAskReportsARefusal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = Ask(t.Context(), nil, addr, "ruok")
	if err == nil || !strings.HasPrefix(err.Error(), "ask "+addr+" for ruok: ") {
		t.Errorf("got %v", err)
	}
}

// echo is a connection of a port to itself.
type echo struct{ net.Conn }

func (echo) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000} }
func (echo) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000} }

func TestAskDoesNotHearItself(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) {
		here, _ := net.Pipe()
		return echo{here}, nil
	}
	if reply, err := Ask(t.Context(), dial, "127.0.0.1:40000", "ruok"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %q, %v", reply, err)
	}
}

func TestWordsAreSorted(t *testing.T) {
	if !slices.IsSorted(Words) {
		t.Error(Words)
	}
}

// FuzzAsk lets a port answer with anything, in two pieces, and then hang or close.
func FuzzAsk(f *testing.F) {
	f.Add([]byte("im"), []byte("ok"), false)
	f.Add([]byte(NotServing), []byte("\n"), false)
	f.Add([]byte{}, []byte{}, false)
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"), []byte{0x15, 3, 1, 0, 2, 2, 70}, true)
	f.Fuzz(func(t *testing.T, first, second []byte, hangs bool) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if hangs {
			ctx, cancel = context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
		}
		ours, theirs := net.Pipe()
		defer theirs.Close()
		go func() {
			heard(theirs)
			_, _ = theirs.Write(first)
			_, _ = theirs.Write(second)
			if !hangs {
				theirs.Close()
			}
		}()
		dial := func(context.Context, string, string) (net.Conn, error) { return ours, nil }
		reply, err := Ask(ctx, dial, "addr:1", "srvr")
		switch {
		case hangs && !errors.Is(err, context.DeadlineExceeded):
			t.Fatalf("a port that hangs: %q, %v", reply, err)
		case !hangs && (err != nil || !bytes.Equal(reply, slices.Concat(first, second))):
			t.Fatalf("got %q, %v", reply, err)
		}
	})
}
