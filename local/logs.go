package local

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/zkctl/zkctl/localserver"
)

// LogOptions select what to print of a log.
type LogOptions struct {
	Member string // only what this member logged: its number, or leader; "" for all
	Lines  int    // only this many of the last lines; 0 means all
	Follow bool   // continue until the context ends
}

// Logs writes the server's log.
func (s *Server) Logs(ctx context.Context, w io.Writer, opt LogOptions) error {
	file, mark := s.LogFile(), ""
	if opt.Member != "" {
		var err error
		if file, mark, err = s.memberLog(ctx, opt.Member); err != nil {
			return err
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("print the log of %s: %w", s.Name, err)
	}
	defer f.Close()
	out := &linesWith{mark: mark, out: w}
	if opt.Lines > 0 {
		if err := out.seek(f, opt.Lines); err != nil {
			return fmt.Errorf("print the log of %s: %w", s.Name, err)
		}
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := io.Copy(out, f); err != nil || !opt.Follow {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// memberLog returns the log of a member, and what marks its lines if others write to it too.
func (s *Server) memberLog(ctx context.Context, word string) (file, mark string, err error) {
	which, err := ParseMembers([]string{word})
	if err != nil {
		return "", "", err
	}
	st, err := s.Status(ctx)
	if err != nil {
		return "", "", err
	}
	for _, m := range st.Members {
		switch {
		case which.Leader && m.Role != localserver.RoleLeader || !which.Leader && m.ID != which.IDs[0]:
		case m.LogFile != "":
			return m.LogFile, "", nil
		case len(st.Members) == 1:
			return s.LogFile(), "", nil
		default:
			return s.LogFile(), fmt.Sprintf("[myid:%d]", m.ID), nil
		}
	}
	return "", "", fmt.Errorf("%s has no running member %s", s.Name, word)
}

// linesWith passes on lines with a mark, or all lines if mark is "".
type linesWith struct {
	mark string
	out  io.Writer
	rest []byte // of an unfinished line
}

func (l *linesWith) Write(p []byte) (int, error) {
	if l.mark == "" {
		return l.out.Write(p)
	}
	l.rest = append(l.rest, p...)
	for {
		line, rest, ended := bytes.Cut(l.rest, []byte("\n"))
		if !ended {
			return len(p), nil
		}
		if bytes.Contains(line, []byte(l.mark)) {
			if _, err := l.out.Write(append(bytes.Clone(line), '\n')); err != nil {
				return 0, err
			}
		}
		l.rest = rest
	}
}

// seek moves to where the last n of these lines start.
func (l *linesWith) seek(f *os.File, n int) error {
	if l.mark == "" {
		return seekLines(f, n)
	}
	var begins []int64
	at, in := int64(0), bufio.NewReader(f)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if bytes.Contains(line, []byte(l.mark)) {
			if begins = append(begins, at); len(begins) > n {
				begins = begins[1:]
			}
		}
		at += int64(len(line))
	}
	if len(begins) > 0 {
		at = begins[0]
	}
	_, err := f.Seek(at, io.SeekStart)
	return err
}

// seekLines moves to where the last n lines start.
func seekLines(f *os.File, n int) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	at, seen := end, 0
	for at > 0 {
		size := min(at, int64(len(buf)))
		at -= size
		if _, err := f.ReadAt(buf[:size], at); err != nil && err != io.EOF {
			return err
		}
		for i := size - 1; i >= 0; i-- {
			if buf[i] == '\n' && at+i != end-1 {
				if seen++; seen == n {
					_, err = f.Seek(at+i+1, io.SeekStart)
					return err
				}
			}
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}
