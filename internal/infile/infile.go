// Package infile reads files that a person has named, and standard input. It limits how much it
// reads, whatever the file is, and can be interrupted, even if the file is a FIFO that nobody
// writes to.
package infile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// MostSettings is the maximum length, in bytes, of a file of settings, identities, keys or
// passwords.
const MostSettings = 16 << 20

// ErrTooLong is wrapped by the error for input that exceeds its limit.
var ErrTooLong = errors.New("too long")

// File reads the file, which may be at most this many bytes long.
func File(ctx context.Context, name string, most int) ([]byte, error) {
	f, err := Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return All(ctx, f, name, most)
}

// Settings reads a file of settings at a time when nothing can be interrupted yet.
func Settings(name string) ([]byte, error) { return File(context.Background(), name, MostSettings) }

// Regular reads a file of settings that a program keeps for itself. Nobody is at the other end of a
// FIFO or a device of its name, so it is an error instead of a wait.
func Regular(name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, fmt.Errorf("%s: it is a device, a pipe or a socket, not a file", name)
	}
	return Settings(name)
}

// All reads at most this many bytes from r; name is for the error. It ends with ctx's error as soon
// as ctx is done; then r must not be read again.
func All(ctx context.Context, r io.Reader, name string, most int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(Reader(ctx, r), int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > most {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", name, ErrTooLong, most)
	}
	return text, nil
}

// Open opens a file for reading. A FIFO opens once somebody opens its other end; otherwise Open
// fails with ctx's error.
func Open(ctx context.Context, name string) (*os.File, error) {
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() || ctx.Done() == nil {
		return os.Open(name)
	}
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(name)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-ctx.Done():
		go func() {
			if o := <-done; o.err == nil {
				o.f.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// Reader reads from r until ctx is done; after that Read fails with ctx's error, and r must not be
// read again.
func Reader(ctx context.Context, r io.Reader) io.Reader {
	if ctx.Done() == nil {
		return r
	}
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return r // it never blocks
		}
	}
	return &reader{ctx, r}
}

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (i *reader) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	type read struct {
		b   []byte
		err error
	}
	done := make(chan read, 1)
	go func() {
		b := make([]byte, len(p)) // p belongs to the caller again once ctx is done
		n, err := i.r.Read(b)
		done <- read{b[:n], err}
	}()
	select {
	case got := <-done:
		return copy(p, got.b), got.err
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	}
}
