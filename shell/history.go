package shell

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/atomicfile"
)

// historyKept is how many lines of the file a shell remembers; with twice as many in it the
// file is cut down to them.
const historyKept = 2000

// history is the lines typed: in earlier sessions, for the arrow keys and Ctrl-R, and in
// this one, which have numbers.
type history struct {
	file    string // "" when nothing is kept
	earlier []string
	lines   []string // of this session; credentials are masked
	last    string   // the last line in the file that is ours
}

// newHistory reads the file, which need not exist. The history works also with an error,
// but is not kept.
func newHistory(stateDir string) (*history, error) {
	h := &history{}
	if stateDir == "" {
		return h, nil
	}
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return h, fmt.Errorf("history is not kept: %w", err)
	}
	file := filepath.Join(stateDir, "history")
	lines, err := readLines(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return h, fmt.Errorf("history is not kept: %w", err)
	}
	h.file = file
	if len(lines) > 2*historyKept {
		if err := h.locked(func() error { return cutDown(file) }); err != nil {
			return h, fmt.Errorf("cut down the history: %w", err)
		}
	}
	h.earlier = lines[max(0, len(lines)-historyKept):]
	if len(lines) > 0 {
		h.last = lines[len(lines)-1]
	}
	return h, nil
}

// rowMark begins the rows of a line in the file, but for the first, which never begins with it.
const rowMark = "\t"

// fileRows is a line as it stands in the file.
func fileRows(line string) string { return strings.ReplaceAll(line, "\n", "\n"+rowMark) + "\n" }

func readLines(file string) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines, rows []string // rows are of one line
	end := func() {
		if len(rows) > 0 {
			lines = append(lines, strings.Join(rows, "\n"))
		}
		rows = nil
	}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		row, more := strings.CutPrefix(s.Text(), rowMark)
		if !more {
			end()
		}
		if row != "" || more && len(rows) > 0 {
			rows = append(rows, row)
		}
	}
	end()
	return lines, s.Err()
}

// locked runs f while no other shell changes the file.
func (h *history) locked(f func() error) error {
	lock, err := os.OpenFile(h.file+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := lockFile(lock); err != nil {
		return err
	}
	return f()
}

func cutDown(file string) error {
	lines, err := readLines(file) // again: another shell may just have done it
	if err != nil || len(lines) <= 2*historyKept {
		return err
	}
	var kept strings.Builder
	for _, line := range lines[len(lines)-historyKept:] {
		kept.WriteString(fileRows(line))
	}
	return atomicfile.Write(file, []byte(kept.String()))
}

// add takes a line that was typed, before it runs, as the next number.
func (h *history) add(line string) error {
	if line = strings.TrimRight(line, " \t"); secret(line) {
		h.lines = append(h.lines, masked(line))
		return nil
	}
	h.lines = append(h.lines, line)
	if firstWord(line) == "redo" { // replace keeps what it repeats; its number means nothing later
		return nil
	}
	return h.save(line)
}

// replace makes the last line another: redo becomes the line that it repeats.
func (h *history) replace(line string) error {
	h.lines[len(h.lines)-1] = line
	return h.save(line)
}

// save appends a line to the file, unless it begins with a blank or is as the one before.
func (h *history) save(line string) error {
	if h.file == "" || line == h.last || strings.HasPrefix(line, " ") || strings.HasPrefix(line, rowMark) || strings.Contains(line, "\r") {
		return nil
	}
	h.last = line
	err := h.locked(func() error {
		f, err := os.OpenFile(h.file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString(fileRows(line))
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		return err
	})
	if err != nil {
		h.file = ""
		return fmt.Errorf("history is no longer kept: %w", err)
	}
	return nil
}

// recall is what the arrow keys and Ctrl-R go through, oldest first, without repetitions in
// a row and without lines that cannot be run again.
func (h *history) recall() []string {
	all := make([]string, 0, len(h.earlier)+len(h.lines))
	for _, list := range [][]string{h.earlier, h.lines} {
		for _, line := range list {
			if (len(all) == 0 || all[len(all)-1] != line) && !secret(line) {
				all = append(all, line)
			}
		}
	}
	return all
}

const mask = "****"

// firstWord is the command's name in lower case, "" for a blank line.
func firstWord(line string) string {
	tokens, _ := commands.Lex(line)
	if len(tokens) == 0 {
		return ""
	}
	return strings.ToLower(tokens[0].Text)
}

// secret tells whether a line holds credentials: addauth does.
func secret(line string) bool { return firstWord(line) == "addauth" }

// masked is an addauth line with its credentials hidden.
func masked(line string) string {
	tokens, _ := commands.Lex(line)
	words := []string{tokens[0].Text}
	if len(tokens) > 1 {
		words = append(words, commands.Quote(tokens[1].Text), mask)
	}
	return strings.Join(words, " ")
}
