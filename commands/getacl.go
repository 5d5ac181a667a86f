package commands

import (
	"bytes"
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var getACLCommand = &command.Command{
	Name: "getAcl", Group: command.ACLGroup, Usage: "[-s] [path]", Short: "print a znode's ACL",
	Long:    "The letters mean: c create and d delete children, r read, w write, a set the ACL.",
	Options: command.Options{withStat},
	Args:    []command.Arg{pathArg},
	Examples: []command.Example{
		{"getAcl /app", "two lines per entry: scheme and id, permissions"},
		{"getAcl -o json /app", "as JSON"},
	},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		return each(ctx, env, in, func(conn *client.Conn, path string) error {
			acl, stat, err := conn.GetACL(ctx, path)
			if err != nil {
				return err
			}
			if env.Output == ui.JSON {
				return env.PrintJSON(struct {
					Path string    `json:"path"`
					ACL  []aclJSON `json:"acl"`
					*statJSON
				}{path, jsonACL(acl), jsonStat(stat)})
			}
			var b bytes.Buffer
			for _, a := range acl {
				// In Java a record's text ends with a line break, hence the second line.
				fmt.Fprintf(&b, "'%s,'%s\n: %s\n", env.Streams.Name(a.ID.Scheme), env.Streams.Name(a.ID.ID), a.Perms)
			}
			if withStat.On(in) {
				printStat(&b, stat)
			}
			_, err = env.Streams.Out.Write(b.Bytes())
			return err
		})
	},
}
