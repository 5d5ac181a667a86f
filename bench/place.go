package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zpath"
)

// mark is the data of the znodes at the top of what bench makes. Nothing is removed that is not below such a znode, or has a name
// that bench does not use.
type mark struct {
	Made    string `json:"madeBy"`
	Run     string `json:"run,omitempty"` // "" for the znode above the runs
	Started int64  `json:"started,omitempty"`
}

const madeBy = "zkctl bench"

func (m mark) data() []byte {
	b, _ := escape.MarshalJSON(m) // it always encodes
	return b
}

// marked reads a mark.
func marked(data []byte) (m mark, ok bool) {
	return m, json.Unmarshal(data, &m) == nil && m.Made == madeBy
}

const (
	runPrefix = "run-"
	// alive is the ephemeral znode of a run under way.
	alive = "alive"
)

// places are the znodes of a run.
type places struct {
	path    string   // above the runs
	root    string   // of the run, below the chroot
	folders [][]byte // one for each client, as the server calls them
	lock    *filelock.Lock
	locked  string
	plain   bool // the server has no containers
	deleted int  // znodes
}

func folderName(i int) string { return fmt.Sprintf("c%05d", i) }

func (p *places) folderPath(i int) string { return p.root + "/" + folderName(i) }

// ours reports whether bench makes znodes of this name at this depth below a run: 1 for what is directly below it.
func ours(name string, depth int) bool {
	number := func(prefix string, digits int) bool {
		rest, ok := strings.CutPrefix(name, prefix)
		return ok && len(rest) == digits && strings.Trim(rest, "0123456789") == ""
	}
	switch depth {
	case 1:
		return name == alive || number("c", 5)
	case 2:
		return name != "" && strings.IndexByte("knewml", name[0]) >= 0 && number(name[:1], 10)
	case 3:
		return number("lock-", 10)
	}
	return false
}

// prepare makes the znodes of a run.
func prepare(ctx context.Context, conn *client.Conn, above, stateDir string, clients int, started int64) (p *places, err error) {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	run := hex.EncodeToString(id[:])
	p = &places{path: above, root: path.Join(above, runPrefix+run)}
	if err := p.hold(stateDir, run); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.release()
		}
	}()
	const attempts = 5 // another run may remove the znode above the runs meanwhile
	for range attempts {
		if err = p.make(ctx, conn, mark{Made: madeBy, Run: run, Started: started}); !errors.Is(err, proto.ErrNoNode) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", escape.Line(above), err)
	}
	var ops []proto.MultiOp
	for i := range clients {
		p.folders = append(p.folders, []byte(conn.Chroot()+p.folderPath(i)))
		ops = append(ops, p.creation(p.folderPath(i), nil, p.mode()))
		if len(ops) == together || i == clients-1 {
			if _, err := conn.Multi(ctx, ops); err != nil {
				return p, fmt.Errorf("prepare %s: %w", p.root, err)
			}
			ops = nil
		}
	}
	return p, nil
}

func (p *places) mode() proto.CreateMode {
	if p.plain {
		return proto.Persistent
	}
	return proto.Container
}

// creation is the create of a znode as part of a transaction.
func (p *places) creation(znode string, data []byte, mode proto.CreateMode) proto.MultiOp {
	op := client.CreateOp(znode, data, proto.OpenACL, mode, 0)
	if p.plain {
		op.Type = proto.OpCreate // create2 came with containers
	}
	return op
}

// make makes the znode above the runs, unless it exists, and that of the run.
func (p *places) make(ctx context.Context, conn *client.Conn, m mark) error {
	_, _, err := conn.Create(ctx, p.path, mark{Made: madeBy}.data(), proto.OpenACL, p.mode(), 0)
	if errors.Is(err, proto.ErrUnimplemented) && !p.plain {
		p.plain = true
		_, _, err = conn.Create(ctx, p.path, mark{Made: madeBy}.data(), proto.OpenACL, p.mode(), 0)
	}
	if errors.Is(err, proto.ErrNoNode) {
		return fmt.Errorf("its parent %s does not exist; create it, or name another --path", escape.Line(zpath.Parent(p.path)))
	}
	if err != nil && !errors.Is(err, proto.ErrNodeExists) {
		return err
	}
	_, err = conn.Multi(ctx, []proto.MultiOp{
		p.creation(p.root, m.data(), p.mode()),
		p.creation(path.Join(p.root, alive), nil, proto.Ephemeral),
	})
	return err
}

// hold takes the lock that says on this machine that the run is alive: a server notices the end of a killed process only when its
// session expires.
func (p *places) hold(stateDir, run string) error {
	if stateDir == "" {
		return nil
	}
	dir := lockDir(stateDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	p.locked = filepath.Join(dir, run)
	var err error
	p.lock, err = filelock.Try(p.locked)
	return err
}

func lockDir(stateDir string) string { return filepath.Join(stateDir, "bench") }

func (p *places) release() {
	if p.lock != nil {
		_ = p.lock.Close()
		_ = os.Remove(p.locked)
	}
}

// remove removes the run's znodes, and the one above if it is ours and nothing else is there.
func (p *places) remove(ctx context.Context, conn *client.Conn) error {
	kept, err := removeRun(ctx, conn, p.root, &p.deleted)
	if err == nil && len(kept) > 0 {
		err = fmt.Errorf("%s stays, because bench did not make %s", escape.Line(p.root), escape.Line(kept[0]))
	}
	if err == nil {
		err = removeTop(ctx, conn, p.path, &p.deleted)
	}
	if err == nil {
		p.release()
	}
	return err
}

// removeTop removes the znode above the runs.
func removeTop(ctx context.Context, conn *client.Conn, path string, deleted *int) error {
	data, stat, err := conn.Get(ctx, path, false)
	switch m, ok := marked(data); {
	case errors.Is(err, proto.ErrNoNode):
		return nil
	case err != nil:
		return err
	case !ok || m.Run != "" || stat.NumChildren > 0:
		return nil
	}
	err = conn.Delete(ctx, path, stat.Version)
	switch {
	case err == nil:
		*deleted++
	case errors.Is(err, proto.ErrNoNode), errors.Is(err, proto.ErrNotEmpty), errors.Is(err, proto.ErrBadVersion):
		return nil // another run has just begun, or ended
	}
	return err
}

// removeRun removes the znodes of a run, but nothing that bench does not make. What it leaves, it names.
func removeRun(ctx context.Context, conn *client.Conn, root string, deleted *int) (kept []string, err error) {
	folders, _, err := conn.Children(ctx, root, false)
	if errors.Is(err, proto.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var last []string
	for _, folder := range folders {
		znode := path.Join(root, folder)
		if !ours(folder, 1) {
			kept = append(kept, znode)
			continue
		}
		if folder == alive {
			last = append(last, znode)
			continue
		}
		more, err := removeBelow(ctx, conn, znode, 2, deleted)
		if err != nil {
			return kept, err
		}
		kept = append(kept, more...)
		if len(more) == 0 {
			last = append(last, znode)
		}
	}
	if err := deleteAll(ctx, conn, last, deleted); err != nil {
		return kept, err
	}
	if len(kept) == 0 {
		return nil, deleteAll(ctx, conn, []string{root}, deleted)
	}
	return kept, nil
}

// removeBelow removes what bench makes below a folder.
func removeBelow(ctx context.Context, conn *client.Conn, folder string, depth int, deleted *int) (kept []string, err error) {
	names, _, err := conn.Children(ctx, folder, false)
	if errors.Is(err, proto.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, name := range names {
		znode := path.Join(folder, name)
		if !ours(name, depth) {
			kept = append(kept, znode)
			continue
		}
		if depth == 2 && name[0] == 'l' {
			more, err := removeBelow(ctx, conn, znode, depth+1, deleted)
			if err != nil {
				return kept, err
			}
			if kept = append(kept, more...); len(more) > 0 {
				continue
			}
		}
		paths = append(paths, znode)
	}
	return kept, deleteAll(ctx, conn, paths, deleted)
}

// deletions is how many transactions of deletes are under way at the same time.
const deletions = 16

// deleteAll deletes znodes, of which some may be gone.
func deleteAll(ctx context.Context, conn *client.Conn, paths []string, deleted *int) error {
	type batch struct {
		started *client.Started
		paths   []string
	}
	var under []batch
	settle := func() error {
		b := under[0]
		under = under[1:]
		_, err := b.started.Wait()
		if err == nil {
			*deleted += len(b.paths)
			return nil
		}
		if command.Fatal(err) != nil {
			return err
		}
		for _, path := range b.paths { // one of them is gone, or has children
			switch err := conn.Delete(ctx, path, -1); {
			case err == nil:
				*deleted++
			case errors.Is(err, proto.ErrNoNode):
			default:
				return err
			}
		}
		return nil
	}
	for len(paths) > 0 || len(under) > 0 {
		if len(paths) == 0 || len(under) == deletions {
			if err := settle(); err != nil {
				return err
			}
			continue
		}
		n := min(together, len(paths))
		var ops []proto.MultiOp
		for _, path := range paths[:n] {
			ops = append(ops, proto.MultiOp{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: path, Version: -1}})
		}
		under = append(under, batch{conn.StartMulti(ctx, ops), paths[:n]})
		paths = paths[n:]
	}
	return nil
}

// remains is what clean found.
type remains struct {
	Runs    int      `json:"runs"`    // removed
	Znodes  int      `json:"znodes"`  // removed
	Alive   []string `json:"alive"`   // runs under way
	Foreign []string `json:"foreign"` // what bench did not make, and stays
}

// clean removes what killed runs left. A run is alive while it holds its lock on this machine or, elsewhere, while its session lasts.
func clean(ctx context.Context, conn *client.Conn, above, stateDir string) (r remains, err error) {
	r.Alive, r.Foreign = []string{}, []string{}
	names, _, err := conn.Children(ctx, above, false)
	if errors.Is(err, proto.ErrNoNode) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	for _, name := range names {
		root := path.Join(above, name)
		data, _, err := conn.Get(ctx, root, false)
		if errors.Is(err, proto.ErrNoNode) {
			continue
		}
		if err != nil && command.Fatal(err) != nil {
			return r, err
		}
		m, ok := marked(data)
		if err != nil || !ok || m.Run == "" || name != runPrefix+m.Run {
			r.Foreign = append(r.Foreign, root)
			continue
		}
		living, err := isAlive(ctx, conn, root, m.Run, stateDir)
		if err != nil {
			return r, err
		}
		if living {
			r.Alive = append(r.Alive, root)
			continue
		}
		kept, err := removeRun(ctx, conn, root, &r.Znodes)
		if err != nil {
			return r, err
		}
		r.Runs++
		r.Foreign = append(r.Foreign, kept...)
		if stateDir != "" {
			_ = os.Remove(filepath.Join(lockDir(stateDir), m.Run))
		}
	}
	return r, removeTop(ctx, conn, above, &r.Znodes)
}

func isAlive(ctx context.Context, conn *client.Conn, root, run, stateDir string) (bool, error) {
	if stateDir != "" && !strings.ContainsAny(run, `/\.`) {
		if file := filepath.Join(lockDir(stateDir), run); filelock.Free(file) {
			return false, nil
		}
	}
	_, err := conn.Exists(ctx, path.Join(root, alive), false)
	if errors.Is(err, proto.ErrNoNode) {
		return false, nil
	}
	return err == nil, err
}
