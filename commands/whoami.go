package commands

import (
	"bytes"
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var whoamiCommand = &command.Command{
	Name: "whoami", Group: command.ACLGroup, Short: "print the identities of this session",
	Long: "Needs ZooKeeper 3.7 or later. addauth adds an identity.",
	Examples: []command.Example{
		{"whoami", "one identity per line: scheme and user"},
		{"whoami -o json", "the same as JSON"},
	},
	Run: func(ctx context.Context, env *command.Env, _ *command.Invocation) error {
		conn, err := env.Conn()
		if err != nil {
			return err
		}
		ids, err := conn.WhoAmI(ctx)
		if err != nil {
			return err
		}
		if env.Output == ui.JSON {
			type id struct {
				AuthScheme string `json:"authScheme"`
				User       string `json:"user"`
			}
			list := []id{}
			for _, i := range ids {
				list = append(list, id{i.AuthScheme, i.User})
			}
			return env.PrintJSON(command.Object{"clientInfo": list})
		}
		var b bytes.Buffer
		b.WriteString("Auth scheme: User\n")
		for _, i := range ids {
			fmt.Fprintf(&b, "%s: %s\n", env.Streams.Name(i.AuthScheme), env.Streams.Name(i.User))
		}
		_, err = env.Streams.Out.Write(b.Bytes())
		return err
	},
}
