package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// explained is an error in zkCli's words (CliWrapperException), with the cause inside.
type explained struct {
	text  string
	cause error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.cause }

// Reword returns an error with this text that wraps err; Explain leaves it unchanged.
func Reword(err error, format string, a ...any) error {
	return &explained{fmt.Sprintf(format, a...), err}
}

// Explain gives a client error the sentence that zkCli has for it. The exit code of an
// interrupted command is that of Ctrl-C.
//
// Differs(errors-say-more): zkCli prints only that sentence, or a stack trace.
func Explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var exit *ui.ExitError
	var known *explained
	if errors.As(err, &exit) || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return &ui.ExitError{Code: ui.ExitInterrupted, Err: errors.New("interrupted")}
	}
	var op *client.OpError
	if errors.As(err, &op) {
		if text := Sentence(op); text != "" {
			return &explained{text, err}
		}
	}
	return err
}

// Sentence returns zkCli's sentence for a server's refusal, with a hint, or "" if it has none.
func Sentence(e *client.OpError) string {
	text, hint := Refusal(e)
	if hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

// Refusal returns zkCli's words for the refusal, and a hint.
func Refusal(e *client.OpError) (text, hint string) {
	if e.Op == proto.OpReconfig {
		if text, hint = reconfigWords(e); text != "" {
			return text, hint
		}
	}
	path := escape.Line(e.Path) // it may contain a name from the server
	switch e.Code {
	case proto.ErrNoNode:
		if slash := strings.LastIndexByte(path, '/'); e.Op.Creates() && slash > 0 {
			return "Node does not exist: " + path[:slash], "the parent of " + path
		}
		return "Node does not exist: " + path, ""
	case proto.ErrNoChildrenForEphemeral:
		return "Ephemerals cannot have children: " + path, ""
	case proto.ErrNodeExists:
		return "Node already exists: " + path, ""
	case proto.ErrNotEmpty:
		return "Node not empty: " + path, "deleteall deletes it with everything below it"
	case proto.ErrNotReadOnly:
		return "Not a read-only call: " + cmp.Or(path, e.Op.String()), "this server is cut off from the quorum and only serves reads"
	case proto.ErrInvalidACL:
		return "Acl is not valid : " + path, ""
	case proto.ErrNoAuth:
		return "Insufficient permission : " + path, permissionHint(e) + "; addauth adds an identity"
	case proto.ErrBadArguments:
		return "Arguments are not valid : " + path, ""
	case proto.ErrBadVersion:
		return "version No is not valid : " + path, "stat shows its current version"
	case proto.ErrQuotaExceeded:
		return "Quota has exceeded : " + path, "listquota shows the limits"
	}
	return "", ""
}

// reconfigWords are the words for a failed reconfiguration, which concerns no znode.
func reconfigWords(e *client.OpError) (text, hint string) {
	switch e.Code {
	case proto.ErrNoAuth:
		return "Insufficient permission : a reconfiguration needs permission to write /zookeeper/config, " +
			"which by default only the super user has", "addauth adds an identity"
	case proto.ErrBadVersion:
		return "version No is not valid : the configuration has another version", "config shows its version"
	case proto.ErrBadArguments:
		return "Arguments are not valid : the leader refuses the new configuration",
			"check that enough participants are left and that no two servers share a port"
	case proto.ErrReconfigInProgress:
		return "Another reconfiguration is in progress; try again when it is done", ""
	case proto.ErrNewConfigNoQuorum:
		return "No quorum of the new configuration is connected and up to date with the leader; " +
			"start the new servers, let them synchronise, and try again", ""
	case proto.ErrReconfigDisabled:
		return e.Code.Error(), "set reconfigEnabled=true in the servers' zoo.cfg"
	}
	return "", ""
}

// permissionHint says which ACL applies: the parent's for creating and deleting.
func permissionHint(e *client.OpError) string {
	switch {
	case e.Op == proto.OpGetACL:
		return "reading an ACL needs permission r or a"
	case e.Op.Creates() || e.Op == proto.OpDelete:
		return "getAcl of its parent shows who may"
	}
	return "getAcl shows who may"
}

// Explain is the function Explain, and adds what else the server knows, if it is certain: the
// actual version, or that the chroot is missing.
func (env *Env) Explain(ctx context.Context, err error) error {
	var op *client.OpError
	var known *explained
	if errors.As(err, &op) && op.Code == proto.ErrBadVersion && !errors.As(err, &known) {
		if hint := env.versionNow(ctx, op); hint != "" {
			text, _ := Refusal(op)
			return Reword(err, "%s (%s)", text, hint)
		}
	}
	var round *client.RoundError
	if errors.As(err, &round) && env.Session != nil {
		if advice := env.Session.Advice(err); advice != "" {
			err = fmt.Errorf("%w; %s", err, advice)
		}
	}
	return explainChroot(env, Explain(ctx, err))
}

// versionNow returns which version a change should have named, or "" if that cannot be read.
func (env *Env) versionNow(ctx context.Context, op *client.OpError) string {
	conn, err := env.Conn()
	if err != nil {
		return ""
	}
	if op.Op == proto.OpReconfig {
		config, _, err := conn.GetConfig(ctx, false)
		if version, _ := zoocfg.ClientConfig(string(config)); err == nil && version != "" {
			return "its version is " + version
		}
		return ""
	}
	stat, err := conn.Exists(ctx, op.Path, false)
	switch {
	case err != nil:
		return ""
	case op.Op == proto.OpSetACL:
		return fmt.Sprintf("the version of its ACL is %d", stat.Aversion)
	}
	return fmt.Sprintf("its version is %d", stat.Version)
}

// explainChroot adds to the error about a missing znode that the chroot is missing too, if that
// is certain.
func explainChroot(env *Env, err error) error {
	var op *client.OpError
	if !errors.As(err, &op) || op.Code != proto.ErrNoNode || strings.LastIndexByte(op.Path, '/') != 0 ||
		op.Path != "/" && !op.Op.Creates() {
		return err
	}
	conn, connErr := env.Conn()
	if connErr != nil || conn.Chroot() == "" {
		return err
	}
	return Reword(err, "%s (the chroot %s of the connect string does not exist)", err, conn.Chroot())
}
