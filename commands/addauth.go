package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

var addAuthCommand = &command.Command{
	Name: "addauth", Group: command.ACLGroup, Usage: "scheme auth",
	Short: "add an identity to this session",
	Long: "The identity of the scheme digest is user:password. @file takes it from a file, - from standard input and " +
		"$NAME from the environment, so that it is neither in the history nor among the arguments of a process. " +
		"Of a user alone the password is asked for, on a terminal, and not shown.",
	Args: []command.Arg{
		{Name: "scheme", Kind: command.AuthScheme},
		{Name: "auth", Kind: command.Data, Optional: true, Help: "the credential, a user, @file, $NAME, or - for standard input"},
	},
	Examples: []command.Example{
		{"addauth digest bob:secret", "be user bob of the scheme digest"},
		{"addauth digest bob", "the same; asks for the password"},
		{"addauth digest @/run/secrets/zk", "with user:password from a file"},
		{"addauth digest '$ZK_AUTH'", "with user:password from the environment"},
	},
	Differs: "A digest without a colon is refused, or the password is asked for: it would be taken and match nothing. $NAME, @file and - are what they stand for. " +
		"When the server refuses the identity, which ends the session, it is said at once; zkCli lets the next command find out.",
	Secret: true,
	Run:    runAddAuth,
}

func runAddAuth(ctx context.Context, env *command.Env, in *command.Invocation) error {
	scheme := in.Args[0]
	var secret []byte
	if len(in.Args) > 1 {
		var err error
		if secret, err = credential(ctx, env, in.Args[1]); err != nil {
			return err
		}
	}
	if err := CheckIdentity(scheme, secret); err != nil {
		user := string(secret)
		if user == "" || len(in.Args) < 2 || user != in.Args[1] || !env.Streams.InTTY || !env.Streams.ErrTTY {
			return err
		}
		password, err := env.Streams.AskSecret(ctx, fmt.Sprintf("Password of %s: ", escape.Line(user)))
		if err != nil {
			return err
		}
		secret = []byte(user + ":" + password)
	}
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	err = conn.AddAuth(ctx, scheme, secret)
	refused := errors.Is(err, proto.ErrAuthFailed)
	if err != nil && !refused {
		return fmt.Errorf("addauth %s: %w", scheme, err)
	}
	if refused {
		// zkCli does not wait for the answer: success, and every later command fails.
		env.Warn("addauth %s: the server refuses this identity or does not know the scheme, and has ended the session; `connect` opens a new one", scheme)
	}
	if env.Output == ui.JSON {
		return env.PrintJSON(command.Object{"scheme": scheme, "accepted": !refused})
	}
	return nil
}

// CheckIdentity refuses a credential that a server takes and that matches nothing. Its error
// does not show the credential.
//
// Differs(digest-without-a-password): zkCli adds it, and all that it was to open stays shut.
func CheckIdentity(scheme string, credential []byte) error {
	if scheme == "digest" && !bytes.Contains(credential, []byte(":")) {
		return errors.New("the identity of the scheme digest is user:password, and this has no colon")
	}
	return nil
}

// credential reads a credential: text, @file or - without the line break at the end, or
// $NAME. @@ and $$ stand for a leading @ and $.
func credential(ctx context.Context, env *command.Env, arg string) ([]byte, error) {
	if name, ok := strings.CutPrefix(arg, "$"); ok {
		if strings.HasPrefix(name, "$") {
			return []byte(name), nil
		}
		value, set := os.LookupEnv(name)
		if !set || name == "" {
			return nil, errors.New("the credential begins with $, which means a variable of the environment, and there is none of that name; write $$ for a $")
		}
		return []byte(value), nil
	}
	secret, err := env.Data(ctx, arg)
	if arg == "-" || strings.HasPrefix(arg, "@") && !strings.HasPrefix(arg, "@@") {
		secret = bytes.TrimRight(secret, "\r\n")
	}
	return secret, err
}
