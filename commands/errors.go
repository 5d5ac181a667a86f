package commands

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
)

// ErrNoSession says that there is no session to work on.
var ErrNoSession = errors.New("Not connected; `connect host:port` opens a session")

// said is an error in the words of zkCli (CliWrapperException), the cause inside.
type said struct {
	text  string
	cause error
}

func (e *said) Error() string { return e.text }
func (e *said) Unwrap() error { return e.cause }

// Explain gives an error of the client the sentence that zkCli has for it. An interrupted
// command's exit code is that of Ctrl-C.
//
// Differs(errors-say-more): zkCli prints that sentence alone, or a stack trace.
func Explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var exit *ui.ExitError
	var known *said
	if errors.As(err, &exit) || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return &ui.ExitError{Code: ui.ExitInterrupted, Err: errors.New("interrupted")}
	}
	var op *client.OpError
	if errors.As(err, &op) {
		if text := sentence(op); text != "" {
			return &said{text: text, cause: err}
		}
	}
	return err
}

func sentence(e *client.OpError) string {
	if text := reconfigSentence(e); text != "" {
		return text
	}
	on := *e
	on.Path = escape.Line(e.Path) // a server's name may be in it
	e = &on
	switch e.Code {
	case proto.ErrNoNode:
		return "Node does not exist: " + e.Path
	case proto.ErrNoChildrenForEphemeral:
		return "Ephemerals cannot have children: " + e.Path
	case proto.ErrNodeExists:
		return "Node already exists: " + e.Path
	case proto.ErrNotEmpty:
		return fmt.Sprintf("Node not empty: %s (deleteall removes it with all below)", e.Path)
	case proto.ErrNotReadOnly:
		return fmt.Sprintf("Not a read-only call: %s (this server is cut off from the quorum and serves reads alone)", cmp.Or(e.Path, e.Op.String()))
	case proto.ErrInvalidACL:
		return "Acl is not valid : " + e.Path
	case proto.ErrNoAuth:
		return fmt.Sprintf("Insufficient permission : %s (%s; addauth adds an identity)", e.Path, permissionHint(e))
	case proto.ErrBadArguments:
		return "Arguments are not valid : " + e.Path
	case proto.ErrBadVersion:
		return fmt.Sprintf("version No is not valid : %s (stat shows the version it has now)", e.Path)
	case proto.ErrQuotaExceeded:
		return fmt.Sprintf("Quota has exceeded : %s (listquota shows the limits)", e.Path)
	}
	return ""
}

// reconfigSentence is what sentence has for a reconfiguration, which is of no znode.
func reconfigSentence(e *client.OpError) string {
	if e.Op != proto.OpReconfig {
		return ""
	}
	switch e.Code {
	case proto.ErrNoAuth:
		return "Insufficient permission : a reconfiguration takes the permission to write /zookeeper/config, " +
			"which only the super user has by default (addauth adds an identity)"
	case proto.ErrBadVersion:
		return "version No is not valid : the configuration has another version (config shows it)"
	case proto.ErrBadArguments:
		return "Arguments are not valid : the leader refuses the new configuration " +
			"(are enough participants left, and has each server ports of its own?)"
	case proto.ErrReconfigInProgress:
		return "Another reconfiguration is in progress; try again when it is done"
	case proto.ErrNewConfigNoQuorum:
		return "No quorum of the new configuration is connected and up to date with the leader; " +
			"start the new servers, let them synchronise, and try again"
	case proto.ErrReconfigDisabled:
		return e.Code.Error() + " (set reconfigEnabled=true in the servers' zoo.cfg)"
	}
	return ""
}

// permissionHint says which ACL decides: the parent's over creating and deleting.
func permissionHint(e *client.OpError) string {
	switch {
	case e.Op == proto.OpGetACL:
		return "reading an ACL takes the permission r or a"
	case creates(e.Op) || e.Op == proto.OpDelete:
		return "getAcl of its parent shows who may"
	}
	return "getAcl shows who may"
}

func creates(op proto.Op) bool {
	switch op {
	case proto.OpCreate, proto.OpCreate2, proto.OpCreateTTL, proto.OpCreateContainer:
		return true
	}
	return false
}

// explainChroot says of a znode that is missing that the chroot above it is missing too,
// where that is certain.
func explainChroot(env *Env, err error) error {
	var op *client.OpError
	if !errors.As(err, &op) || op.Code != proto.ErrNoNode || strings.LastIndexByte(op.Path, '/') != 0 ||
		op.Path != "/" && !creates(op.Op) {
		return err
	}
	conn, connErr := env.conn()
	if connErr != nil || conn.Chroot() == "" {
		return err
	}
	return &said{fmt.Sprintf("%s (the chroot %s of the connect string does not exist)", err, conn.Chroot()), err}
}
