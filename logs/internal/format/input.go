package format

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/zkctl/zkctl/internal/infile"
)

// ErrBinary says that an input is not text.
var ErrBinary = errors.New("it is not a text file")

// mostWindow bounds the memory that a zstd stream may ask for, in bytes.
const mostWindow = 8 << 20

// Input is an open log.
type Input struct {
	io.Reader
	Name    string
	Written time.Time // zero if unknown
	Dates   Dates

	file  *os.File
	plain bool // what is read is what the file has
	close []func()
}

// Open opens a log, decompresses gzip and zstd, decodes UTF-16, and looks at how it writes dates. It fails with
// ErrBinary if the content is no text.
func Open(ctx context.Context, name string) (*Input, error) {
	f, err := infile.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read a log: %w", err)
	}
	in := &Input{Name: name, file: f}
	var tail []byte
	if info, err := f.Stat(); err == nil {
		if info.IsDir() {
			f.Close()
			return nil, fmt.Errorf("read a log: %s is a directory", name)
		}
		if info.Mode().IsRegular() {
			in.Written = info.ModTime()
			tail = end(f, info.Size())
		}
	}
	if err := in.decode(infile.Reader(ctx, f), tail); err != nil {
		in.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return in, nil
}

// Stream reads a log from r, such as standard input.
func Stream(ctx context.Context, name string, r io.Reader) (*Input, error) {
	in := &Input{Name: name}
	if err := in.decode(infile.Reader(ctx, r), nil); err != nil {
		in.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return in, nil
}

// Follow makes the log be read from f, which Close closes.
func (in *Input) Follow(f *Follower) {
	in.Reader, in.plain = f, false
	in.close = append(in.close, f.Close)
}

// Plain returns the file and its size if the log is a regular file that is neither compressed nor encoded.
func (in *Input) Plain() (f *os.File, size int64) {
	if in.file == nil || !in.plain {
		return nil, 0
	}
	if info, err := in.file.Stat(); err == nil && info.Mode().IsRegular() {
		return in.file, info.Size()
	}
	return nil, 0
}

// Close closes the log.
func (in *Input) Close() {
	for _, f := range in.close {
		f()
	}
	if in.file != nil {
		in.file.Close()
	}
}

// end returns the last bytes of a file, from the start of a line.
func end(f *os.File, size int64) []byte {
	b := make([]byte, min(size, 32<<10))
	n, err := f.ReadAt(b, size-int64(len(b)))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	_, b, _ = bytes.Cut(b[:n], []byte("\n"))
	return b
}

func (in *Input) decode(raw io.Reader, tail []byte) error {
	// A pipe gives what it has: a line that a person types is answered at once.
	buffered := bufio.NewReaderSize(raw, 32<<10)
	head, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	in.Reader = buffered
	first := io.Reader(buffered)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return err
		}
		in.Reader, tail = z, nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(mostWindow))
		if err != nil {
			return err
		}
		in.close = append(in.close, z.Close)
		in.Reader, tail = z, nil
	}
	if in.Reader != buffered {
		buffered = bufio.NewReaderSize(in.Reader, 32<<10)
		in.Reader = buffered
		if head, err = buffered.Peek(4); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		_, _ = buffered.Discard(3)
		first = nil
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		_, _ = buffered.Discard(2)
		buffered = bufio.NewReaderSize(&wide{r: buffered, big: head[0] == 0xfe}, 32<<10)
		in.Reader, tail = buffered, nil
		_, _ = buffered.Peek(1)
	}
	if in.file != nil && !in.Written.IsZero() {
		_, _ = buffered.Peek(32 << 10) // of a regular file all of it is there
	}
	head, _ = buffered.Peek(buffered.Buffered())
	if binary(head) {
		return ErrBinary
	}
	in.plain = in.Reader == first
	written := in.Written
	if written.IsZero() {
		written = time.Now() // what is read from a pipe is written by now
	}
	in.Dates = JudgeDates(written, head, tail)
	return nil
}

// binary reports whether bytes are no text: one in twenty is a control character. Zeros at the start do not count:
// logrotate's copytruncate leaves them.
func binary(b []byte) bool {
	b = bytes.TrimLeft(b, "\x00")
	odd := 0
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != 0x1b {
			odd++
		}
	}
	return odd*20 > len(b)
}

// wide reads UTF-16 as UTF-8.
type wide struct {
	r    *bufio.Reader
	big  bool
	rest []byte
	high rune // of a pair that is not complete
}

func (w *wide) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		var unit [2]byte
		if _, err := io.ReadFull(w.r, unit[:]); err != nil {
			return 0, io.EOF
		}
		c := rune(unit[0]) | rune(unit[1])<<8
		if w.big {
			c = rune(unit[0])<<8 | rune(unit[1])
		}
		switch {
		case w.high != 0:
			c, w.high = utf16.DecodeRune(w.high, c), 0
		case c >= 0xd800 && c < 0xdc00:
			w.high = c
			continue
		}
		w.rest = utf8.AppendRune(w.rest[:0], c)
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}
