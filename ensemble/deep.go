package ensemble

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

// difference is a znode that differs between members.
type difference struct {
	Path string `json:"path"`
	What string `json:"difference"`
}

// fingerprint is what is compared for a znode.
type fingerprint struct {
	czxid, mzxid int64
	data, acl    [16]byte // the start of a hash
}

// vantage is one member's view of a subtree.
type vantage struct {
	name   string
	conn   *client.Conn
	prints map[string]fingerprint
	unread map[string]error
}

// inFlight limits how many znodes of a member are read at once.
const inFlight = 64

// rounds is how often znodes that seem to differ are reread: they may have been written in between.
const rounds = 3

// compareTrees reads the subtree through all members concurrently and compares it.
func (a *agreement) compareTrees(ctx context.Context, root string, p *probe.Prober, members []*probe.Reading) error {
	ctx, cancel := context.WithTimeout(ctx, deepTime)
	defer cancel()
	var views []*vantage
	defer func() {
		for _, v := range views {
			_ = v.conn.Close()
		}
	}()
	for _, r := range members {
		if r.ReadOnly() {
			a.leave(r, errors.New("it is read-only: cut off from the quorum, it cannot sync"))
			continue
		}
		conn, err := p.Session(ctx, &r.Member, false)
		if err != nil {
			a.leave(r, probe.Reason(err))
			continue
		}
		views = append(views, &vantage{name: r.Name(), conn: conn, prints: map[string]fingerprint{}, unread: map[string]error{}})
		a.Members = append(a.Members, r.Name())
	}
	if len(views) < 2 {
		a.Text = "there are no two members to read znodes through"
		return nil
	}
	if err := each(views, func(v *vantage) error { return v.read(ctx, root) }); err != nil {
		return err
	}
	suspects := differing(views)
	for range rounds {
		if len(suspects) == 0 {
			break
		}
		if err := each(views, func(v *vantage) error { return v.again(ctx, root, suspects) }); err != nil {
			return err
		}
		suspects = differing(views)
	}
	a.judgeTrees(root, views, suspects)
	return nil
}

// each runs f for all views concurrently.
func each(views []*vantage, f func(*vantage) error) error {
	var wg sync.WaitGroup
	errs := make([]error, len(views))
	for i, v := range views {
		wg.Go(func() {
			if err := f(v); err != nil {
				errs[i] = fmt.Errorf("%s: %w", v.name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// read takes the fingerprints of the whole subtree after a sync.
func (v *vantage) read(ctx context.Context, root string) error {
	if err := v.conn.Sync(ctx, root); err != nil {
		return err
	}
	var paths []string
	err := v.conn.Walk(ctx, root, client.WalkOptions{}, func(z *client.Walked) error {
		path, err := z.Path, z.Err
		switch {
		case errors.Is(err, proto.ErrNoNode) && path != root:
			return nil // deleted meanwhile
		case err != nil:
			v.unread[path] = err
			return nil
		}
		paths = append(paths, path)
		return nil
	})
	if err != nil {
		return err
	}
	return v.take(ctx, paths)
}

// again takes the fingerprints of some znodes again.
func (v *vantage) again(ctx context.Context, root string, paths []string) error {
	if err := v.conn.Sync(ctx, root); err != nil {
		return err
	}
	for _, path := range paths {
		delete(v.prints, path)
	}
	return v.take(ctx, paths)
}

func (v *vantage) take(ctx context.Context, paths []string) error {
	type result struct {
		path string
		p    fingerprint
		err  error
	}
	todo, results := make(chan string), make(chan result)
	var wg sync.WaitGroup
	for range min(inFlight, len(paths)) {
		wg.Go(func() {
			for path := range todo {
				p, err := v.fingerprint(ctx, path)
				results <- result{path, p, err}
			}
		})
	}
	go func() {
		for _, path := range paths {
			todo <- path
		}
		close(todo)
		wg.Wait()
		close(results)
	}()
	for r := range results {
		switch {
		case r.err == nil:
			v.prints[r.path] = r.p
		case errors.Is(r.err, proto.ErrNoNode):
		default:
			v.unread[r.path] = r.err
		}
	}
	var lost *client.LossError
	for _, err := range v.unread {
		if errors.As(err, &lost) {
			return err
		}
	}
	return ctx.Err()
}

func (v *vantage) fingerprint(ctx context.Context, path string) (p fingerprint, err error) {
	data, stat, err := v.conn.Get(ctx, path, false)
	if err != nil {
		return p, err
	}
	acl, _, err := v.conn.GetACL(ctx, path)
	if err != nil {
		return p, err
	}
	p.czxid, p.mzxid = stat.Czxid, stat.Mzxid
	sum := sha256.Sum256(data)
	copy(p.data[:], sum[:])
	var rights []string
	for _, entry := range acl {
		rights = append(rights, fmt.Sprintf("%s\x00%s\x00%d", entry.ID.Scheme, entry.ID.ID, entry.Perms))
	}
	slices.Sort(rights)
	sum = sha256.Sum256([]byte(strings.Join(rights, "\x01")))
	copy(p.acl[:], sum[:])
	return p, nil
}

// differing returns the znodes that differ between the views, in order.
func differing(views []*vantage) (paths []string) {
	seen := map[string]bool{}
	for _, v := range views {
		for path := range v.prints {
			if seen[path] {
				continue
			}
			seen[path] = true
			first, ok := views[0].prints[path]
			for _, o := range views {
				if o.unread[path] != nil {
					break
				}
				p, has := o.prints[path]
				if has != ok || p != first {
					paths = append(paths, path)
					break
				}
			}
		}
	}
	slices.Sort(paths)
	return paths
}

func (a *agreement) judgeTrees(root string, views []*vantage, paths []string) {
	all, unread := map[string]bool{}, map[string]bool{}
	for _, v := range views {
		for path := range v.prints {
			all[path] = true
		}
		for path, err := range v.unread {
			unread[path] = true
			a.Unread = append(a.Unread, fmt.Sprintf("%s through %s: %v", path, v.name, err))
		}
	}
	slices.Sort(a.Unread)
	a.Znodes = answer.Some(int64(len(all)))
	for _, path := range paths {
		a.Differ = append(a.Differ, difference{path, describe(path, views)})
	}
	switch {
	case len(paths) > 0:
		a.Agree = answer.Some(false)
		znodes := fmt.Sprintf("of %d below %s", len(all), root)
		a.Text = fmt.Sprintf("%s between %d members", command.Plural(len(paths), "znode "+znodes+" differs", "znodes "+znodes+" differ"), len(views))
	case len(a.Unread) > 0:
		a.Text = fmt.Sprintf("%s below %s could not be read", command.Counted(len(unread), "znode"), root)
		if len(all) > 0 {
			a.Text += "; " + same(len(all), "that could be read", len(views))
		}
	default:
		a.Agree = answer.Some(true)
		a.Text = same(len(all), "below "+root, len(views))
	}
}

// same says that so many znodes are the same on so many members.
func same(znodes int, which string, members int) string {
	return fmt.Sprintf("%s the same on %d members", command.Plural(znodes, "znode "+which+" is", "znodes "+which+" are"), members)
}

// describe says how the other views of a znode differ from the first.
func describe(path string, views []*vantage) string {
	var with, without []string
	for _, v := range views {
		if _, ok := v.prints[path]; ok {
			with = append(with, v.name)
		} else {
			without = append(without, v.name)
		}
	}
	if len(without) > 0 {
		return fmt.Sprintf("on %s, not on %s", strings.Join(with, ", "), strings.Join(without, ", "))
	}
	first := views[0].prints[path]
	var parts []string
	for _, field := range []struct {
		name string
		same func(p fingerprint) bool
		show func(p fingerprint) string
	}{
		{"czxid", func(p fingerprint) bool { return p.czxid == first.czxid }, func(p fingerprint) string { return answer.Hex(p.czxid).String() }},
		{"mzxid", func(p fingerprint) bool { return p.mzxid == first.mzxid }, func(p fingerprint) string { return answer.Hex(p.mzxid).String() }},
		{"data", func(p fingerprint) bool { return p.data == first.data }, nil},
		{"ACL", func(p fingerprint) bool { return p.acl == first.acl }, nil},
	} {
		var others []string
		for _, v := range views[1:] {
			if p := v.prints[path]; !field.same(p) {
				other := v.name
				if field.show != nil {
					other += " has " + field.show(p)
				}
				others = append(others, other)
			}
		}
		switch {
		case others == nil:
		case field.show != nil:
			parts = append(parts, fmt.Sprintf("%s is %s on %s, %s", field.name, field.show(first), views[0].name, strings.Join(others, ", ")))
		default:
			parts = append(parts, fmt.Sprintf("%s of %s is not that of %s", field.name, views[0].name, strings.Join(others, ", ")))
		}
	}
	return strings.Join(parts, "; ")
}
