package localserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/replica"
)

// superDigestProperty sets the password of the identity super.
const superDigestProperty = "zookeeper.DigestAuthenticationProvider.superDigest"

// newPassword creates the password for reconfiguring an ensemble. It exists only in this process;
// the members know its digest.
func newPassword() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(b[:]), nil
}

// supers returns the digests by which embedded members know the ensemble's own identity super.
func (e *Ensemble) supers() []string {
	if e.super == "" {
		return nil
	}
	digest, err := replica.Digest("", "super:"+e.super)
	if err != nil {
		return nil
	}
	return []string{digest}
}

// ownServers returns the members that certainly know the ensemble's super: running embedded ones,
// or all members if there are none. Apache members know it unless the configuration sets another
// one.
func (e *Ensemble) ownServers() string {
	own := slices.DeleteFunc(e.Members(), func(m *Member) bool { return m.embedded() == nil || m.Paused() })
	if len(own) == 0 {
		return e.ConnectString()
	}
	return connectString(own)
}

// ErrStandalone is wrapped by the errors of Add and Remove for a standalone server that was not
// started with the property standaloneEnabled=false.
var ErrStandalone = errors.New("a standalone server cannot be reconfigured; start it with the property standaloneEnabled=false, or with more members")

// AddOptions describe a member to add. The zero value is an embedded voting member.
type AddOptions struct {
	Observer bool   // it does not vote
	Engine   Engine // "" means Embedded
}

// Add starts another member, adds it to the ensemble by a reconfiguration, and returns once it
// serves clients. The ensemble must have at least two members, or have been started with the
// property standaloneEnabled=false.
func (e *Ensemble) Add(ctx context.Context, opt AddOptions) (*Member, error) {
	if !e.distributed() {
		return nil, fmt.Errorf("add a member: %w", ErrStandalone)
	}
	if opt.Engine != "" && opt.Engine != Embedded && opt.Engine != Apache {
		return nil, fmt.Errorf("add a member: %w", unknownEngine(opt.Engine))
	}
	if len(e.Members()) == 0 {
		return nil, errors.New("add a member: no members are left here to reconfigure; all have moved elsewhere")
	}
	e.reconfig.Lock()
	defer e.reconfig.Unlock()
	role := zoocfg.Participant
	if opt.Observer {
		role = zoocfg.Observer
	}
	saved, err := e.saved()
	if err != nil {
		return nil, fmt.Errorf("add a member: %w", err)
	}
	e.mu.Lock()
	for _, other := range e.members {
		e.lastID = max(e.lastID, other.id)
	}
	if saved != nil { // servers that run elsewhere have numbers too
		for _, other := range saved.Members() {
			e.lastID = max(e.lastID, other.ID)
		}
	}
	e.lastID++
	id := e.lastID
	e.mu.Unlock()
	m := e.newMember(id, role)
	m.engine = cmp.Or(opt.Engine, Embedded)
	m.ports.client.Host = e.opt.Host
	fail := func(err error) (*Member, error) {
		e.forget(m)
		return nil, errors.Join(fmt.Errorf("add member %d: %w", id, err), m.close())
	}
	if err := e.choosePorts(m); err != nil {
		return fail(err)
	}
	if m.engine == Apache {
		if err := e.findJava(); err != nil {
			return fail(err)
		}
		e.adoptRelease()
	}
	e.place(m) // it also learns this from its configuration
	// An Apache member answers nobody until it serves, and serves only once the others know it.
	started := make(chan error, 1)
	go func() { started <- m.Start(ctx) }()
	if m.engine == Embedded {
		if err := <-started; err != nil {
			return fail(err)
		}
		started <- nil
	}
	if err := e.reconfigure(ctx, "server."+fmt.Sprint(id)+"="+m.line(), "", func(v zoocfg.QuorumVerifier) bool {
		_, in := v.Member(id)
		return in
	}); err != nil {
		return fail(err)
	}
	if err := <-started; err != nil {
		return fail(err)
	}
	return m, e.waitServing(ctx, []*Member{m})
}

// Remove removes a member from the ensemble by a reconfiguration, stops it, and waits until the
// others serve. Its folder is kept as long as the ensemble's.
func (e *Ensemble) Remove(ctx context.Context, id int64) error {
	m := e.Member(id)
	switch {
	case !e.distributed():
		return fmt.Errorf("remove a member: %w", ErrStandalone)
	case m == nil:
		return fmt.Errorf("remove a member: no member %d", id)
	}
	e.reconfig.Lock()
	defer e.reconfig.Unlock()
	if err := e.reconfigure(ctx, "", fmt.Sprint(id), func(v zoocfg.QuorumVerifier) bool {
		_, in := v.Member(id)
		return !in
	}); err != nil {
		return fmt.Errorf("remove member %d: %w", id, err)
	}
	e.forget(m)
	if err := m.close(); err != nil {
		return err
	}
	// If the leader leaves, the others may have to elect a new one.
	var rest []*Member
	for _, other := range e.Members() {
		if other.Running() && !other.Paused() {
			rest = append(rest, other)
		}
	}
	return e.waitServing(ctx, rest)
}

func (e *Ensemble) forget(m *Member) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lastID = max(e.lastID, m.id)
	e.members = slices.DeleteFunc(slices.Clone(e.members), func(one *Member) bool { return one == m })
}

// reconfigPatience limits a reconfiguration whose context has no deadline.
const reconfigPatience = time.Minute

// reconfigure is ZooKeeper's own operation, by an authorised identity. It is repeated while
// leaders change or a joining member still catches up.
func (e *Ensemble) reconfigure(ctx context.Context, joining, leaving string, done func(zoocfg.QuorumVerifier) bool) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, reconfigPatience)
		defer cancel()
	}
	c, err := client.Open(client.Config{Servers: e.ownServers(), Wait: true,
		Auth: []client.Auth{{Scheme: "digest", Data: []byte("super:" + e.super)}}})
	if err != nil {
		return err
	}
	defer c.Close()
	if id, err := strconv.ParseInt(leaving, 10, 64); err == nil && !e.outlives(ctx, c, id) {
		return e.noQuorum(proto.ErrNewConfigNoQuorum)
	}
	var fault error
	lost := false // the answer was lost; it may be done already
	pause := 10 * time.Millisecond
	pollErr := await.Until(ctx, func() bool {
		var text []byte
		if lost {
			if text, _, fault = c.GetConfig(ctx, false); fault != nil {
				return false
			}
			if v, err := zoocfg.ParseVerifier(text); err == nil && done(v) {
				fault = e.keepConfig(v)
				return true
			}
		}
		text, _, fault = c.Reconfig(ctx, joining, leaving, "", -1)
		switch {
		case fault == nil:
			var v zoocfg.QuorumVerifier
			if v, fault = zoocfg.ParseVerifier(text); fault == nil {
				fault = e.keepConfig(v)
			}
			return true
		case errors.Is(fault, proto.ErrConnectionLoss):
			lost = true
			return false
		}
		if !errors.Is(fault, proto.ErrReconfigInProgress) && !errors.Is(fault, proto.ErrNewConfigNoQuorum) {
			return true
		}
		// Even a failed attempt is a transaction.
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, time.Second)
		return false
	})
	if fault == nil {
		fault = pollErr
	}
	switch {
	case errors.Is(fault, proto.ErrNoAuth):
		return fmt.Errorf("%w: the configuration sets its own superDigest, and Apache members accept no other; reconfigure as that super user (addauth digest super:…, reconfig)", fault)
	case errors.Is(fault, proto.ErrBadArguments) && leaving != "":
		return fmt.Errorf("at least two voting members must stay, or one with standaloneEnabled=false: %w", fault)
	case errors.Is(fault, context.DeadlineExceeded):
		return e.noQuorum(context.DeadlineExceeded)
	case errors.Is(fault, proto.ErrNewConfigNoQuorum), errors.Is(fault, proto.ErrConnectionLoss):
		return e.noQuorum(fault)
	}
	return fault
}

// noQuorum reports which members may be missing.
func (e *Ensemble) noQuorum(cause error) error {
	why := "no quorum of up-to-date members"
	if idle := e.idle(); len(idle) > 0 {
		why = fmt.Sprintf("no quorum while these members are stopped or paused: %s", strings.Trim(fmt.Sprint(idle), "[]"))
	}
	return fmt.Errorf("%s: %w", why, cause)
}

// idle returns the voting members that are stopped or paused.
func (e *Ensemble) idle() (ids []int64) {
	for _, m := range e.Members() {
		if m.role == zoocfg.Participant && (!m.Running() || m.Paused()) {
			ids = append(ids, m.id)
		}
	}
	return ids
}

// outlives reports whether the voting members without id are a quorum as they are. A leader
// considers a hanging member alive until syncLimit has passed, and with a configuration proposed to
// too few members, nobody leads afterwards.
func (e *Ensemble) outlives(ctx context.Context, c *client.Conn, id int64) bool {
	text, _, err := c.GetConfig(ctx, false)
	if err != nil {
		return true // the reconfiguration will report it
	}
	v, err := zoocfg.ParseVerifier(text)
	if err != nil {
		return true
	}
	rest := zoocfg.NewMajority(0, slices.DeleteFunc(v.Members(), func(m zoocfg.Member) bool { return m.ID == id })...)
	idle, there := e.idle(), zoocfg.IDs{}
	for _, m := range rest.Voting() {
		if !slices.Contains(idle, m.ID) {
			there.Add(m.ID)
		}
	}
	return len(rest.Voting()) == 0 || rest.ContainsQuorum(there)
}

// keepConfig stores a configuration in the folders of Apache members, which have written it to a
// place that is removed with their processes.
func (e *Ensemble) keepConfig(v zoocfg.QuorumVerifier) error {
	for _, m := range e.Members() {
		file := filepath.Join(m.home, "zoo.cfg")
		if _, err := os.Stat(file); m.engine != Apache || err != nil {
			continue
		}
		if err := zoocfg.CommitVerifier(file, v, m.id); err != nil {
			return err
		}
	}
	return nil
}
