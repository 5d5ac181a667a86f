package local

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fatih/color"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// Print prints the status: a table of the members or, as JSON, an object on one line.
func (st *Status) Print(s *ui.Streams, format ui.Format) error {
	if format == ui.JSON {
		return ui.PrintJSON(s.Out, st)
	}
	_, err := io.WriteString(s.Out, st.text(s))
	return err
}

// watchEvery is how often Watch asks.
const watchEvery = 500 * time.Millisecond

// Watch prints a server's status repeatedly until ctx ends: on a terminal in place, otherwise one
// after another.
func (h Home) Watch(ctx context.Context, name string, s *ui.Streams, format ui.Format) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	inPlace := s.OutTTY && format == ui.Text
	for {
		s.Measure()
		server, err := h.Load(name)
		if err != nil {
			return err
		}
		st, err := server.Status(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if inPlace {
			lines := strings.ReplaceAll(st.text(s), "\n", s.Control("K")+"\n")
			_, err = io.WriteString(s.Out, s.Control("H")+lines+s.Control("J"))
		} else {
			err = st.Print(s, format)
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

func (st *Status) text(s *ui.Streams) string {
	out := &strings.Builder{}
	fmt.Fprintf(out, "%s: %s", st.Name, paintState(s, st.State))
	switch {
	case st.State == conditionDead:
		fmt.Fprintf(out, ": its process %d ended unexpectedly", st.PID)
	case st.Reason != "":
		fmt.Fprintf(out, ": %s", st.Reason)
	}
	out.WriteByte('\n')
	if st.DataDir != "" {
		fmt.Fprintf(out, "data:    %s\n", st.DataDir)
	}
	if st.Members == nil {
		return out.String() // its process has ended
	}
	fmt.Fprintf(out, "connect: %s\n", st.ConnectString)
	if st.TLS != "" {
		fmt.Fprintf(out, "TLS:     %s\n", st.TLS)
	}
	fmt.Fprintf(out, "process: %d, up %s, %s\n", st.PID, time.Since(st.Started).Round(time.Second), ui.Bytes(st.Memory))
	for _, pair := range st.Cut {
		fmt.Fprintf(out, "cut:     %d and %d cannot reach each other\n", pair[0], pair[1])
	}
	out.WriteByte('\n')
	rows := [][]string{{"ID", "ROLE", "ADDRESS", "ZXID", "EPOCH", "LAG", "SESSIONS", "CONNS", "ZNODES", "DATA", "WATCHES", "MEMORY", "ENGINE", "DIRECTORY"}}
	shared := st.embedded()
	for i := range st.Members {
		rows = append(rows, st.row(s, &st.Members[i], shared > 1))
	}
	if s.OutTTY {
		rows = ui.FitTable(rows, s.Width, "WATCHES", "DATA", "ZNODES", "ENGINE", "DIRECTORY", "MEMORY", "ADDRESS", "EPOCH")
	}
	out.WriteString(ui.Table(rows, "ID", "LAG", "EPOCH", "SESSIONS", "CONNS", "ZNODES", "DATA", "WATCHES", "MEMORY"))
	if shared > 1 && slices.Contains(rows[0], "MEMORY") {
		fmt.Fprintf(out, "* of process %d, which these members share\n", st.PID)
	}
	for _, m := range st.Members {
		if m.Error != "" {
			fmt.Fprintf(out, "member %d: %s\n", m.ID, m.Error)
		}
	}
	return out.String()
}

// embedded returns how many members run in the server's own process.
func (st *Status) embedded() (n int) {
	for _, m := range st.Members {
		if m.Engine == localserver.Embedded && m.Role != localserver.RoleStopped {
			n++
		}
	}
	return n
}

// row returns a member's row; shared says that other members are in its process.
func (st *Status) row(s *ui.Streams, m *localserver.Status, shared bool) []string {
	engine, memory := string(m.Engine), ""
	switch {
	case m.PID != 0:
		engine += fmt.Sprintf(" (pid %d)", m.PID)
		memory = ui.Bytes(m.Memory)
	case m.Role == localserver.RoleStopped:
	case shared:
		memory = ui.Bytes(st.Memory) + "*"
	default:
		memory = ui.Bytes(st.Memory)
	}
	row := []string{strconv.FormatInt(m.ID, 10), paintRole(s, m.Role), m.Addr}
	if m.Version != "" {
		size := "?"
		if m.DataSize >= 0 {
			size = ui.Bytes(m.DataSize)
		}
		row = append(row, proto.Hex(m.Zxid), strconv.FormatInt(m.Epoch, 10), strconv.FormatInt(m.Lag, 10), told(m.Sessions),
			strconv.FormatInt(m.Connections, 10), strconv.FormatInt(m.Znodes, 10), size, told(m.Watches))
	} else {
		row = append(row, "", "", "", "", "", "", "", "")
	}
	return append(row, memory, engine, st.memberDir(m))
}

// told formats a number of a member's status, which is negative if the member does not report it.
func told(n int64) string {
	if n < 0 {
		return "?"
	}
	return strconv.FormatInt(n, 10)
}

func paintRole(s *ui.Streams, role localserver.Role) string {
	switch role {
	case localserver.RoleLeader, localserver.RoleStandalone:
		return s.Paint(role.String(), color.FgGreen)
	case localserver.RoleLooking, localserver.RolePaused:
		return s.Paint(role.String(), color.FgYellow)
	case localserver.RoleStopped, localserver.RoleFailed:
		return s.Paint(role.String(), color.FgRed)
	}
	return role.String()
}

// paintState colours the state of a whole server.
func paintState(s *ui.Streams, state string) string {
	switch localserver.Condition(state) {
	case localserver.ConditionServing:
		return s.Paint(state, color.FgGreen)
	case localserver.ConditionNoLeader:
		return s.Paint(state, color.FgYellow)
	case conditionStopped:
		return state
	}
	return s.Paint(state, color.FgRed)
}

// memberDir returns a member's data directory, relative to that of all members if it is inside.
func (st *Status) memberDir(m *localserver.Status) string {
	if rel, err := filepath.Rel(st.DataDir, m.DataDir); err == nil && m.DataDir != "" && filepath.IsLocal(rel) {
		return rel
	}
	return m.DataDir
}

// PrintList prints a list of servers: a table or, as JSON, one object per line.
func PrintList(s *ui.Streams, list []Entry, format ui.Format) error {
	if format == ui.JSON {
		for _, e := range list {
			if err := ui.PrintJSON(s.Out, e); err != nil {
				return err
			}
		}
		return nil
	}
	rows := [][]string{{"NAME", "STATE", "MEMBERS", "CONNECT", "DATA"}}
	for _, e := range list {
		rows = append(rows, []string{e.Name, paintState(s, e.State), strconv.Itoa(e.Members), e.ConnectString, e.DataDir})
	}
	_, err := io.WriteString(s.Out, ui.Table(rows, "MEMBERS"))
	return err
}
