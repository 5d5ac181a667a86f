package shell

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ownfile"
)

// historyKept is how many lines of the file a shell remembers; once the file has twice as many,
// it is cut down to them.
const historyKept = 2000

// history is the lines typed: those of earlier sessions, for the arrow keys and Ctrl-R, and those
// of this one, which are numbered.
type history struct {
	file    string // "" if nothing is kept
	earlier []string
	lines   []string // of this session; credentials are masked
	secret  []bool   // which of them held credentials
	last    string   // the last of our lines in the file
}

// newHistory reads the file, which need not exist. After an error the history still works, but is
// not saved.
func newHistory(stateDir string) (*history, error) {
	h := &history{}
	if stateDir == "" {
		return h, nil
	}
	if err := ownfile.Dir(stateDir); err != nil {
		return h, fmt.Errorf("history will not be saved: %w", err)
	}
	file := filepath.Join(stateDir, "history")
	if target, err := os.Readlink(file); err == nil && target == os.DevNull {
		return h, nil // /dev/null as the file means that nothing is to be kept
	}
	lines, whole, err := readLines(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return h, fmt.Errorf("history will not be saved: %w", err)
	}
	h.file = file
	if len(lines) > 2*historyKept || !whole {
		if err := h.locked(func() error { return cutDown(file) }); err != nil {
			return h, fmt.Errorf("trim the history: %w", err)
		}
	}
	h.earlier = slices.DeleteFunc(slices.Clone(lines[max(0, len(lines)-historyKept):]), commands.All.Secret)
	if len(lines) > 0 {
		h.last = lines[len(lines)-1]
	}
	return h, nil
}

// rowMark starts each row of a line in the file except the first, which never starts with it.
const rowMark = "\t"

// fileRows returns a line as stored in the file.
func fileRows(line string) string { return strings.ReplaceAll(line, "\n", "\n"+rowMark) + "\n" }

// Limits for the file.
const (
	historyBytes = 16 << 20 // how many bytes are read, from the end
	longestLine  = 1 << 20  // including all its rows; a longer one is skipped
)

// readLines reads the lines of the file, oldest first; whole is false if some were skipped.
func readLines(file string) (lines []string, whole bool, err error) {
	f, err := ownfile.Open(file, os.O_RDONLY)
	if err != nil {
		return nil, true, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, true, err
	}
	skipped := max(0, info.Size()-historyBytes)
	text, err := io.ReadAll(io.NewSectionReader(f, skipped, historyBytes))
	if err != nil {
		return nil, true, err
	}
	if whole = skipped == 0; !whole { // drop a line whose start is missing
		for _, text, _ = bytes.Cut(text, []byte("\n")); bytes.HasPrefix(text, []byte(rowMark)); {
			_, text, _ = bytes.Cut(text, []byte("\n"))
		}
	}
	var line []byte
	end := func() {
		if whole = whole && len(line) <= longestLine; len(line) > 0 && len(line) <= longestLine {
			lines = append(lines, string(line))
		}
		line = nil
	}
	for row := range bytes.SplitSeq(text, []byte("\n")) {
		row, more := bytes.CutPrefix(row, []byte(rowMark))
		switch {
		case more && line != nil:
			line = append(append(line, '\n'), row...)
		default:
			end()
			line = append(line, row...)
		}
	}
	end()
	return lines, whole, nil
}

// locked calls f while no other shell changes the file.
func (h *history) locked(f func() error) error {
	lock, err := ownfile.Open(h.file+".lock", os.O_CREATE|os.O_RDWR)
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
	lines, whole, err := readLines(file) // again: another shell may just have done it
	if err != nil || len(lines) <= 2*historyKept && whole {
		return err
	}
	var kept strings.Builder
	for _, line := range lines[max(0, len(lines)-historyKept):] {
		kept.WriteString(fileRows(line))
	}
	return atomicfile.Write(file, []byte(kept.String()))
}

// add adds a line that was typed, before it runs, with the next number. runs is the same line without aliases.
func (h *history) add(line, runs string) error {
	line = strings.TrimRight(line, " \t")
	secret := commands.All.Secret(runs)
	h.secret = append(h.secret, secret)
	switch {
	case commands.All.Secret(line):
		h.lines = append(h.lines, commands.All.Masked(line))
		return nil
	case secret: // because of an alias
		h.lines = append(h.lines, firstWord(line)+" "+command.Mask)
		return nil
	}
	h.lines = append(h.lines, line)
	if firstWord(line) == "redo" { // replace stores what it repeats; its number means nothing later
		return nil
	}
	return h.save(line)
}

// replace replaces the last line, if it is a redo, by the line that it repeats.
func (h *history) replace(line string) error {
	last := len(h.lines) - 1
	if firstWord(h.lines[last]) != "redo" { // a line that runs it
		return nil
	}
	h.lines[last] = line
	return h.save(line)
}

// save appends a line to the file, unless it starts with a space, equals the previous one, or is
// too long to be read again.
func (h *history) save(line string) error {
	if h.file == "" || line == h.last || strings.HasPrefix(line, " ") || strings.HasPrefix(line, rowMark) ||
		strings.Contains(line, "\r") || len(line) > longestLine {
		return nil
	}
	h.last = line
	err := h.locked(func() error {
		f, err := ownfile.Open(h.file, os.O_CREATE|os.O_RDWR|os.O_APPEND)
		if err != nil {
			return err
		}
		text := fileRows(line)
		last := []byte{'\n'}
		if info, err := f.Stat(); err == nil && info.Size() > 0 {
			_, _ = f.ReadAt(last, info.Size()-1)
		}
		if last[0] != '\n' { // somebody has edited the file
			text = "\n" + text
		}
		_, err = f.WriteString(text)
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		return err
	})
	if err != nil {
		h.file = ""
		return fmt.Errorf("history is no longer saved: %w", err)
	}
	return nil
}

// recall returns what the arrow keys and Ctrl-R go through, oldest first, without consecutive
// repetitions and without lines that cannot be run again.
func (h *history) recall() []string {
	all := make([]string, 0, len(h.earlier)+len(h.lines))
	add := func(line string) {
		if len(all) == 0 || all[len(all)-1] != line {
			all = append(all, line)
		}
	}
	for _, line := range h.earlier {
		add(line)
	}
	for i, line := range h.lines {
		if !h.secret[i] {
			add(line)
		}
	}
	return all
}

// firstWord returns the command's name in lower case, or "" for a blank line.
func firstWord(line string) string {
	tokens, _ := command.Lex(line)
	if len(tokens) == 0 {
		return ""
	}
	return strings.ToLower(tokens[0].Text)
}
