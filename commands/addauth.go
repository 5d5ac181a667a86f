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
	Long: "With the scheme digest the identity is user:password. @file reads it from a file, - from standard input and " +
		"$NAME from an environment variable, which keeps it out of the history and the arguments of a process. " +
		"If only a user is given on a terminal, zkctl prompts for the password without echo.",
	Args: []command.Arg{
		{Name: "scheme", Kind: command.AuthScheme},
		{Name: "auth", Kind: command.Data, Optional: true, Help: "the credential, a user, @file, $NAME, or - for standard input"},
	},
	Examples: []command.Example{
		{"addauth digest bob:secret", "add user bob of the scheme digest"},
		{"addauth digest bob", "the same, but ask for the password"},
		{"addauth digest @/run/secrets/zk", "with user:password from a file"},
		{"addauth digest '$ZK_AUTH'", "with user:password from the environment"},
	},
	Differs: "A digest without a colon is refused, or zkctl prompts for the password: the server would accept it, but it would match nothing. $NAME, @file and - name a source of the credential; zkCli treats them as the credential. " +
		"A refusal by the server, which ends the session, is reported at once; with zkCli the next command fails.",
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
		// zkCli does not wait for the answer: it reports success, and every later command fails.
		env.Warn("addauth %s: the server refused this identity, or does not know the scheme, and ended the session; `connect` opens a new one", scheme)
	}
	if env.Output == ui.JSON {
		return env.PrintJSON(command.Object{"scheme": scheme, "accepted": !refused})
	}
	return nil
}

// CheckIdentity refuses a credential that a server would accept but that matches nothing. Its
// error does not show the credential.
//
// Differs(digest-without-a-password): zkCli adds it, and it opens nothing.
func CheckIdentity(scheme string, credential []byte) error {
	if scheme == "digest" && !bytes.Contains(credential, []byte(":")) {
		return errors.New("a digest identity is user:password, but this one has no colon")
	}
	return nil
}

// credential reads a credential: text, @file or - without the final line break, or $NAME. @@ and
// $$ stand for a leading @ and $.
func credential(ctx context.Context, env *command.Env, arg string) ([]byte, error) {
	if name, ok := strings.CutPrefix(arg, "$"); ok {
		if strings.HasPrefix(name, "$") {
			return []byte(name), nil
		}
		value, set := os.LookupEnv(name)
		if !set || name == "" {
			return nil, errors.New("the credential names an environment variable, but it is not set; write $$ for a leading $")
		}
		return []byte(value), nil
	}
	secret, err := env.Data(ctx, arg)
	if arg == "-" || strings.HasPrefix(arg, "@") && !strings.HasPrefix(arg, "@@") {
		secret = bytes.TrimRight(secret, "\r\n")
	}
	return secret, err
}
