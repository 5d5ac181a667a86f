package cmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fatih/color"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// watchEvery is how often status -w asks.
const watchEvery = 500 * time.Millisecond

func (a *app) localStatusCommand() *cobra.Command {
	var output string
	watch := false
	c := &cobra.Command{
		Use:   "status [NAME]",
		Short: "show a local server's members: role, zxid, sessions, connections",
		Long: `Show a local server's members: their role, last zxid, how many transactions they
lag behind the leader, sessions, connections, data, memory, data directory. A
narrow terminal gets the columns for which there is room. The exit code is 1
unless clients are served: when it does not run, has no quorum, or has failed.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLocals,
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "go on showing it, until Ctrl-C")
	outputFlag(c, &output)
	c.RunE = func(c *cobra.Command, words []string) error {
		format, err := ui.ParseFormat(output)
		if err != nil {
			return err
		}
		s, err := chooseLocal(words)
		if err != nil {
			return err
		}
		if watch {
			return a.watchLocal(c.Context(), s.Name, format)
		}
		st, err := s.status(c.Context())
		if err != nil {
			return err
		}
		if err := a.printStatus(st, format); err != nil {
			return err
		}
		if !st.serves() {
			return &ui.ExitError{Code: ui.ExitFailed}
		}
		return nil
	}
	return c
}

func (st *localStatus) serves() bool { return st.State == localserver.ConditionServing }

// status is what is known of a named server, whether it runs or not.
func (s *localState) status(ctx context.Context) (*localStatus, error) {
	if state := s.condition(); state != "running" {
		return &localStatus{Name: s.Name, State: state, PID: s.PID, Started: s.Started, ConnectString: s.ConnectString, DataDir: s.DataDir}, nil
	}
	reply, err := s.ask(ctx, controlRequest{Do: "status"})
	if err != nil {
		return nil, err
	}
	return reply.Status, nil
}

func (a *app) printStatus(st *localStatus, format ui.Format) error {
	if format == ui.JSON {
		return json.NewEncoder(a.streams.Out).Encode(st)
	}
	_, err := io.WriteString(a.streams.Out, a.statusText(st))
	return err
}

func (a *app) statusText(st *localStatus) string {
	out := &strings.Builder{}
	fmt.Fprintf(out, "%s: %s", st.Name, a.paintState(st.State))
	switch {
	case st.State == "dead":
		fmt.Fprintf(out, ": its process %d ended without being told to", st.PID)
	case st.Reason != "":
		fmt.Fprintf(out, ": %s", st.Reason)
	}
	out.WriteByte('\n')
	if st.DataDir != "" {
		fmt.Fprintf(out, "data:    %s\n", st.DataDir)
	}
	if st.Members == nil {
		return out.String() // its process is gone
	}
	fmt.Fprintf(out, "connect: %s\n", st.ConnectString)
	fmt.Fprintf(out, "process: %d, up %s, %s\n", st.PID, time.Since(st.Started).Round(time.Second), sizeText(st.Memory))
	for _, pair := range st.Cut {
		fmt.Fprintf(out, "cut:     %d and %d do not see each other\n", pair[0], pair[1])
	}
	out.WriteByte('\n')
	rows := [][]string{{"ID", "ROLE", "ADDRESS", "ZXID", "EPOCH", "LAG", "SESSIONS", "CONNS", "ZNODES", "DATA", "WATCHES", "MEMORY", "ENGINE", "DIRECTORY"}}
	shared := 0 // members in the one process
	for _, m := range st.Members {
		if m.Engine == localserver.Embedded && m.Role != "stopped" {
			shared++
		}
	}
	for _, m := range st.Members {
		role := m.Role
		switch role {
		case "leader", "standalone":
			role = a.streams.Paint(role, color.FgGreen)
		case "looking", "paused":
			role = a.streams.Paint(role, color.FgYellow)
		case "stopped", "failed":
			role = a.streams.Paint(role, color.FgRed)
		}
		engine := string(m.Engine)
		memory := ""
		switch {
		case m.PID != 0:
			engine += fmt.Sprintf(" (pid %d)", m.PID)
			memory = sizeText(m.Memory)
		case m.Role == "stopped":
		case shared > 1:
			memory = sizeText(st.Memory) + "*"
		default:
			memory = sizeText(st.Memory)
		}
		row := []string{strconv.FormatInt(m.ID, 10), role, m.Addr}
		if m.Version != "" {
			sessions := "?"
			if m.Sessions >= 0 {
				sessions = strconv.FormatInt(m.Sessions, 10)
			}
			row = append(row, fmt.Sprintf("0x%x", m.Zxid), strconv.FormatInt(m.Epoch, 10), strconv.FormatInt(m.Lag, 10), sessions,
				strconv.FormatInt(m.Connections, 10), strconv.FormatInt(m.Znodes, 10), sizeText(m.DataSize), strconv.FormatInt(m.Watches, 10))
		} else {
			row = append(row, "", "", "", "", "", "", "", "")
		}
		rows = append(rows, append(row, memory, engine, memberDir(st, m)))
	}
	if a.streams.OutTTY {
		rows = fit(rows, a.streams.Width, "WATCHES", "DATA", "ZNODES", "ENGINE", "DIRECTORY", "MEMORY", "ADDRESS", "EPOCH")
	}
	out.WriteString(plainTable(rows, "ID", "LAG", "EPOCH", "SESSIONS", "CONNS", "ZNODES", "DATA", "WATCHES", "MEMORY"))
	if shared > 1 && slices.Contains(rows[0], "MEMORY") {
		fmt.Fprintf(out, "* that of process %d, which these members share\n", st.PID)
	}
	for _, m := range st.Members {
		if m.Error != "" {
			fmt.Fprintf(out, "member %d: %s\n", m.ID, m.Error)
		}
	}
	return out.String()
}

// paintState colours what a server as a whole is.
func (a *app) paintState(state string) string {
	switch state {
	case localserver.ConditionServing:
		return a.streams.Paint(state, color.FgGreen)
	case localserver.ConditionNoLeader:
		return a.streams.Paint(state, color.FgYellow)
	case "stopped":
		return state
	}
	return a.streams.Paint(state, color.FgRed)
}

// memberDir is a member's data directory, from that of all.
func memberDir(st *localStatus, m localserver.Status) string {
	if rel, err := filepath.Rel(st.DataDir, m.DataDir); err == nil && m.DataDir != "" && filepath.IsLocal(rel) {
		return rel
	}
	return m.DataDir
}

// fit leaves out columns, the first of those named before the others, until a table is no
// wider than width.
func fit(rows [][]string, width int, dispensable ...string) [][]string {
	for _, name := range dispensable {
		if text.LongestLineLen(plainTable(rows)) <= width {
			break
		}
		at := slices.Index(rows[0], name)
		for i, row := range rows {
			rows[i] = slices.Delete(slices.Clone(row), at, at+1)
		}
	}
	return rows
}

// plainTable is a table without rules; the first row is its head. Columns with a name in
// right are aligned there.
func plainTable(rows [][]string, right ...string) string {
	tw := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	tw.SetStyle(style)
	var configs []table.ColumnConfig
	for i, head := range rows[0] {
		for _, name := range right {
			if head == name {
				configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
			}
		}
	}
	tw.SetColumnConfigs(configs)
	for i, cells := range rows {
		var row table.Row
		for _, cell := range cells {
			row = append(row, cell)
		}
		if i == 0 {
			tw.AppendHeader(row)
		} else {
			tw.AppendRow(row)
		}
	}
	out := &strings.Builder{}
	for line := range strings.Lines(tw.Render()) {
		out.WriteString(strings.TrimRight(line, " \n"))
		out.WriteByte('\n')
	}
	return out.String()
}

// sizeText is a number of bytes for a person.
func sizeText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// watchLocal shows the state again and again: on a terminal in place, else one after the other.
func (a *app) watchLocal(ctx context.Context, name string, format ui.Format) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	inPlace := a.streams.OutTTY && format == ui.Text
	for {
		a.streams.Measure()
		s, err := loadLocal(name)
		if err != nil {
			return err
		}
		st, err := s.status(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if inPlace {
			control := a.streams.Control
			lines := strings.ReplaceAll(a.statusText(st), "\n", control("K")+"\n")
			_, err = io.WriteString(a.streams.Out, control("H")+lines+control("J"))
		} else {
			err = a.printStatus(st, format)
		}
		if err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// conditions are what named servers are as a whole, asked side by side.
func conditions(ctx context.Context, list []*localState) []string {
	ctx, cancel := context.WithTimeout(ctx, localPatience)
	defer cancel()
	states := make([]string, len(list))
	var wg sync.WaitGroup
	for i, s := range list {
		wg.Go(func() {
			states[i] = localserver.ConditionSilent
			if st, err := s.status(ctx); err == nil {
				states[i] = st.State
			}
		})
	}
	wg.Wait()
	return states
}

func (a *app) localListCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "ls",
		Short: "list the local servers",
		Long: `List the local servers: running (clients are served), stopped, dead (the process
ended without being told to), or what keeps a running process from serving, as
"zkctl local status" has it: no quorum, no leader, failed, down, no answer.`,
		Args: cobra.NoArgs,
	}
	outputFlag(c, &output)
	c.RunE = func(c *cobra.Command, _ []string) error {
		format, err := ui.ParseFormat(output)
		if err != nil {
			return err
		}
		rows := [][]string{{"NAME", "STATE", "MEMBERS", "CONNECT", "DATA"}}
		var list []*localState
		for _, name := range localNames() {
			s, err := loadLocal(name)
			if err != nil {
				ui.Report(a.streams.Err, err)
				continue
			}
			list = append(list, s)
		}
		states := conditions(c.Context(), list)
		for i, s := range list {
			name, state := s.Name, states[i]
			members := 0 // some may have been added or removed
			if s.ConnectString != "" {
				members = strings.Count(s.ConnectString, ",") + 1
			}
			if format == ui.JSON {
				err := json.NewEncoder(a.streams.Out).Encode(map[string]any{
					"name": name, "state": state, "pid": s.PID, "members": members, "size": max(1, s.Spec.Size), "observers": s.Spec.Observers,
					"engine": s.Spec.Engine, "connectString": s.ConnectString, "dataDir": s.DataDir, "log": s.logFile(),
				})
				if err != nil {
					return err
				}
				continue
			}
			rows = append(rows, []string{name, a.paintState(state), strconv.Itoa(members), s.ConnectString, s.DataDir})
		}
		if format == ui.JSON {
			return nil
		}
		if len(rows) == 1 {
			fmt.Fprintln(a.streams.Err, "There is no local server; zkctl local start makes one.")
			return nil
		}
		_, err = io.WriteString(a.streams.Out, plainTable(rows, "MEMBERS"))
		return err
	}
	return c
}

func (a *app) localLogsCommand() *cobra.Command {
	follow := false
	lines := 0
	c := &cobra.Command{
		Use:   "logs [NAME [MEMBER]]",
		Short: "print a local server's log",
		Long: `Print the log of a local server, in ZooKeeper's own pattern. The members of an
ensemble share it, and with a MEMBER there is what it has logged. One that is
Apache ZooKeeper has a log of its own, as long as it lives.`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: completeMembers,
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing what is logged, until Ctrl-C")
	c.Flags().IntVarP(&lines, "lines", "n", 0, "only the last `number` of lines; 0 is all")
	c.RunE = func(c *cobra.Command, words []string) error {
		s, err := chooseLocal(words)
		if err != nil {
			return err
		}
		file, mark := s.logFile(), ""
		if len(words) > 1 {
			if file, mark, err = s.memberLog(c.Context(), words[1]); err != nil {
				return err
			}
		}
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("print the log of %s: %w", s.Name, err)
		}
		defer f.Close()
		out := &linesWith{mark: mark, out: a.streams.Out}
		if lines > 0 {
			if err := out.seek(f, lines); err != nil {
				return fmt.Errorf("print the log of %s: %w", s.Name, err)
			}
		}
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if _, err := io.Copy(out, f); err != nil || !follow {
				return err
			}
			select {
			case <-tick.C:
			case <-c.Context().Done():
				return c.Context().Err()
			}
		}
	}
	return c
}

// memberLog is the log of a member, and what marks its lines where others write, too.
func (s *localState) memberLog(ctx context.Context, word string) (file, mark string, err error) {
	ids, leader, err := parseMembers([]string{word})
	if err != nil {
		return "", "", err
	}
	st, err := s.status(ctx)
	if err != nil {
		return "", "", err
	}
	for _, m := range st.Members {
		switch {
		case leader && m.Role != "leader" || !leader && m.ID != ids[0]:
		case m.LogFile != "":
			return m.LogFile, "", nil
		case len(st.Members) == 1:
			return s.logFile(), "", nil
		default:
			return s.logFile(), fmt.Sprintf("[myid:%d]", m.ID), nil
		}
	}
	return "", "", fmt.Errorf("%s has no member %s that runs", s.Name, word)
}

// linesWith passes on the lines that have a mark; all when it is "".
type linesWith struct {
	mark string
	out  io.Writer
	rest []byte // of a line that has not ended
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

// seek goes to where the last n of these lines begin.
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

// seekLines goes to where the last n lines begin.
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
