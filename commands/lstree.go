package commands

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// listAskAbove is the number of znodes from which ls -R asks on a terminal.
const listAskAbove = 10000

// flushEvery is how long a listed znode may be held back on a terminal.
const flushEvery = 50 * time.Millisecond

// askToList asks on a terminal before a large tree is listed. It returns the number of znodes, or 0 if that is
// unknown, or of no use.
func askToList(ctx context.Context, env *command.Env, conn *client.Conn, root string) (total int32, err error) {
	s := env.Streams
	ask := s.InTTY && s.OutTTY && !env.Yes
	if !ask && (!s.ErrTTY || s.OutTTY) {
		return 0, nil
	}
	if n, err := conn.AllChildrenNumber(ctx, root); err == nil {
		total = n + 1
	} // otherwise the server is older than 3.6, or the walk meets the error again
	if ask && total > listAskAbove {
		question := fmt.Sprintf("There are %s znodes below %s. List all of them?", command.Thousands(int(total-1)), root)
		if ok, err := s.Ask(ctx, question); err != nil {
			return 0, err
		} else if !ok {
			return 0, errors.New("nothing was listed; use -y to list without confirmation")
		}
	}
	return total, nil
}

// printTree is ls -R.
func printTree(ctx context.Context, env *command.Env, conn *client.Conn, root string, watch bool) error {
	s := env.Streams
	progress := s.ErrTTY && !s.OutTTY
	total, err := askToList(ctx, env, conn, root)
	if err != nil {
		return err
	}

	// As in zkCli, reading the root's data shows whether it exists (ZKUtil.visitSubTreeDFS).
	if _, _, err := conn.Get(ctx, root, watch); err != nil {
		return err
	}
	list := newTreeLister(s, env.Output)
	if progress {
		list.bar = s.NewProgress("listed", int64(total))
	}
	list.begin(root)
	list.add(root)
	var skipped command.Failures
	err = walkTree(ctx, conn, root, watch, list.add, skipped.Add)
	if flushErr := list.end(skipped.List); err == nil {
		err = flushErr
	}
	if err != nil && ctx.Err() != nil {
		return &ui.ExitError{Code: ui.ExitInterrupted, Err: fmt.Errorf("interrupted: %d znodes were listed", list.count)}
	}
	if err != nil {
		return err
	}
	return skipped.Skipped(env)
}

// treeLister writes paths, one per line or as the znodes of a JSON document.
type treeLister struct {
	w       *bufio.Writer
	json    bool
	tty     bool
	bar     *ui.Progress
	count   int
	flushed time.Time
}

func newTreeLister(s *ui.Streams, form ui.Format) *treeLister {
	return &treeLister{w: bufio.NewWriterSize(s.Out, 64<<10), json: form == ui.JSON, tty: s.OutTTY, flushed: time.Now()}
}

func (l *treeLister) begin(root string) {
	if l.json {
		fmt.Fprintf(l.w, `{"path":%s,"znodes":[`, escape.AppendJSONString(nil, root))
	}
}

// add writes a path; its error is that of the stream.
func (l *treeLister) add(path string) error {
	var err error
	switch {
	case l.json:
		if l.count > 0 {
			_, _ = l.w.WriteString(",\n")
		}
		_, err = l.w.Write(escape.AppendJSONString(l.w.AvailableBuffer(), path))
	default:
		if l.tty {
			path = escape.Line(path)
		}
		_, _ = l.w.WriteString(path)
		err = l.w.WriteByte('\n')
	}
	l.count++
	if l.count%64 == 0 || l.count < 64 {
		if l.tty && time.Since(l.flushed) > flushEvery {
			err = l.w.Flush()
			l.flushed = time.Now()
		}
		if l.bar != nil {
			l.bar.Set(int64(l.count))
		}
	}
	return err
}

func (l *treeLister) end(skipped []command.Failure) error {
	if l.bar != nil {
		l.bar.Done()
	}
	if l.json {
		_, _ = l.w.WriteString("]")
		if len(skipped) > 0 {
			list, _ := escape.MarshalJSON(skipped) // strings always encode
			fmt.Fprintf(l.w, `,"skipped":%s`, list)
		}
		_, _ = l.w.WriteString("}\n")
	}
	return l.w.Flush()
}
