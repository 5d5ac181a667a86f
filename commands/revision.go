package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/textdiff"
	"github.com/zkctl/zkctl/internal/ui"
)

// revisionRounds is how many times a change starts again because the znode changed meanwhile.
const revisionRounds = 100

// revision is a change of a znode's data that depends on the data.
type revision struct {
	path    string
	version int32                                // that the znode must have, or -1
	change  func(data []byte) ([]byte, error)    // makes the new data
	skip    func(before, after []byte) (is bool) // whether nothing needs to be written; nil is never
}

// read returns the data, what change makes of it, and the version.
func (u *revision) read(ctx context.Context, conn *client.Conn) (before, after []byte, stat proto.Stat, err error) {
	if before, stat, err = conn.Get(ctx, u.path, false); err != nil {
		return nil, nil, stat, err
	}
	if u.version >= 0 && stat.Version != u.version {
		return nil, nil, stat, &client.OpError{Op: proto.OpSetData, Path: u.path, Code: proto.ErrBadVersion}
	}
	if after, err = u.change(before); err != nil {
		err = fmt.Errorf("%s: %w", escape.Line(u.path), err)
	}
	return before, after, stat, err
}

// run makes the change at the version that was read, and starts again if the znode changed meanwhile.
func (u *revision) run(ctx context.Context, conn *client.Conn) (stat proto.Stat, wrote bool, err error) {
	if err := conn.MayChange("set the data of " + escape.Line(u.path)); err != nil {
		return stat, false, err
	}
	for range revisionRounds {
		before, after, read, err := u.read(ctx, conn)
		if err != nil || u.skip != nil && u.skip(before, after) {
			return read, false, err
		}
		if stat, err = conn.Set(ctx, u.path, after, read.Version); !errors.Is(err, proto.ErrBadVersion) || u.version >= 0 {
			return stat, err == nil, err
		}
	}
	return stat, false, &client.OpError{Op: proto.OpSetData, Path: u.path, Code: proto.ErrBadVersion}
}

// rehearse prints what the change would be, and changes nothing.
func (u *revision) rehearse(ctx context.Context, env *command.Env, conn *client.Conn) error {
	before, after, stat, err := u.read(ctx, conn)
	if err != nil {
		return err
	}
	return printChange(env, u.path, textdiff.Data(versioned(u.path, stat.Version), u.path, before, after, textdiff.Context))
}

// versioned names a znode at a version, in the head of a difference.
func versioned(path string, version int32) string {
	return fmt.Sprintf("%s (version %d)", path, version)
}

// printChange prints what would change at a znode.
func printChange(env *command.Env, path string, d textdiff.Diff) error {
	switch {
	case env.Output == ui.JSON:
		return env.PrintJSON(struct {
			pathJSON
			Changed bool   `json:"changed"`
			Diff    string `json:"diff,omitempty"`
		}{jsonPath(path), !d.Empty(), d.String()})
	case d.Empty():
		env.Note("%s would not change", escape.Line(path))
		return nil
	}
	return d.Print(env.Streams)
}
