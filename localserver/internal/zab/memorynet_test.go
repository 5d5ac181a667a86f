package zab

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// memoryPair returns a connection from host a to host b.
func memoryPair(t *testing.T, m *Memory) (near, far net.Conn) {
	t.Helper()
	l, err := m.Host("b").Listen("b:1")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = m.Host("a").Dial(t.Context(), "b:1")
	if err != nil {
		t.Fatal(err)
	}
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

func TestMemoryDeliversInOrderAfterItsLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memoryPair(t, NewMemory(1, 50*time.Millisecond, 90*time.Millisecond))
		defer far.Close()
		sent := bytes.Repeat([]byte("0123456789"), 30000) // more than the window
		start := time.Now()
		go func() {
			defer near.Close()
			for i := 0; i < len(sent); i += 1000 {
				if _, err := near.Write(sent[i : i+1000]); err != nil {
					t.Error(err)
				}
			}
		}()
		got, err := io.ReadAll(far)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes, %v; want the %d sent", len(got), err, len(sent))
		}
		if took := time.Since(start); took < 50*time.Millisecond || took > 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestMemoryFaults(t *testing.T) {
	tests := []struct {
		name string
		try  func(t *testing.T, m *Memory, near, far net.Conn) error
		want error
	}{
		{"a read's deadline", func(t *testing.T, m *Memory, near, far net.Conn) error {
			_ = near.SetReadDeadline(time.Now().Add(time.Second))
			_, err := near.Read(make([]byte, 1))
			return err
		}, os.ErrDeadlineExceeded},
		{"a write's deadline", func(t *testing.T, m *Memory, near, far net.Conn) error {
			_ = near.SetWriteDeadline(time.Now().Add(time.Second))
			n, err := near.Write(make([]byte, 2*memoryWindow))
			if n != memoryWindow {
				t.Errorf("%d bytes were written; want the window", n)
			}
			return err
		}, os.ErrDeadlineExceeded},
		{"a cut link holds data back", func(t *testing.T, m *Memory, near, far net.Conn) error {
			m.Cut("b", "a")
			_, _ = near.Write([]byte("x"))
			_ = far.SetReadDeadline(time.Now().Add(time.Minute))
			_, err := far.Read(make([]byte, 1))
			return err
		}, os.ErrDeadlineExceeded},
		{"a healed link delivers it", func(t *testing.T, m *Memory, near, far net.Conn) error {
			m.Cut("a", "b")
			_, _ = near.Write([]byte("x"))
			time.AfterFunc(time.Minute, func() { m.Heal("a", "b") })
			_, err := far.Read(make([]byte, 1))
			return err
		}, nil},
		{"a cut link makes no connection", func(t *testing.T, m *Memory, near, far net.Conn) error {
			m.Cut("a", "b")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := m.Host("a").Dial(ctx, "b:1")
			return err
		}, context.DeadlineExceeded},
		{"nobody listens", func(t *testing.T, m *Memory, near, far net.Conn) error {
			_, err := m.Host("a").Dial(t.Context(), "b:2")
			return err
		}, syscall.ECONNREFUSED},
		{"a reset", func(t *testing.T, m *Memory, near, far net.Conn) error {
			time.AfterFunc(time.Second, func() { m.Reset("a", "b") })
			_, err := far.Read(make([]byte, 1))
			return err
		}, syscall.ECONNRESET},
		{"a crash", func(t *testing.T, m *Memory, near, far net.Conn) error {
			_, _ = near.Write([]byte("x"))
			m.Crash("a")
			_, err := far.Read(make([]byte, 1))
			return err
		}, syscall.ECONNRESET},
		{"the other end's farewell", func(t *testing.T, m *Memory, near, far net.Conn) error {
			_ = near.Close()
			_, err := far.Read(make([]byte, 1))
			return err
		}, io.EOF},
		{"a write after it", func(t *testing.T, m *Memory, near, far net.Conn) error {
			_ = near.Close()
			time.Sleep(time.Second)
			_, err := far.Write([]byte("x"))
			return err
		}, syscall.EPIPE},
		{"its own end", func(t *testing.T, m *Memory, near, far net.Conn) error {
			time.AfterFunc(time.Second, func() { near.Close() })
			_, err := near.Read(make([]byte, 1))
			return err
		}, net.ErrClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewMemory(1, time.Millisecond, 2*time.Millisecond)
				near, far := memoryPair(t, m)
				if err := test.try(t, m, near, far); !errors.Is(err, test.want) {
					t.Errorf("%v; want %v", err, test.want)
				}
				_, _ = near.Close(), far.Close()
				if n := m.Open(); n != 0 {
					t.Errorf("%d are left open", n)
				}
			})
		})
	}
}
