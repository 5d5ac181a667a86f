package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// Survey is what was learned about an ensemble.
type Survey struct {
	Readings []*Reading // by id, then those without one
	Config   *Config    // nil if no member reported it
	Notes    []string   // remarks on the members and on how they were found
	Twice    []string   // names of members that were asked, and that Readings has at another address
	Alone    bool       // only the members that were named were asked

	Writes answer.Opt[float64] // transactions per second; like Reads, only if the members are watched
	Reads  answer.Opt[float64] // other packets received per second, including pings, without zkctl's own
	// Proof is whether Prover, a member that serves, committed a session and reached its leader. It is asked only if no
	// leader answers: a member that has lost its leader does not know that at once.
	Proof  answer.Opt[bool]
	Prover string
}

// Members returns the members in the connect string of the prober's configuration.
func (p *Prober) Members() ([]Member, error) {
	addrs, _, err := client.ParseServers(p.Client.Servers)
	if err != nil {
		return nil, err
	}
	if n := len(p.AdminPorts); n > 1 && n != len(addrs) {
		return nil, fmt.Errorf("%d ports of AdminServers for %s: give one for all, or one for each", n, command.Counted(len(addrs), "server"))
	}
	var list []Member
	for i, a := range addrs {
		if slices.Contains(addrs[:i], a) {
			continue
		}
		m := Member{Addresses: []client.Address{a}, Named: true}
		if n := len(p.AdminPorts); n > 0 {
			m.AdminPort = p.AdminPorts[min(i, n-1)]
		}
		list = append(list, m)
	}
	return list, nil
}

// Survey asks all members at once until ctx ends, which must have a deadline. With widen the members of the ensemble's
// configuration are asked too: it comes from the first member that reports it, or from one session with a member that serves.
func (p *Prober) Survey(ctx context.Context, widen bool) (*Survey, error) {
	members, err := p.Members()
	if err != nil {
		return nil, err
	}
	s := &Survey{Alone: !widen}
	b := &survey{
		Survey: s, p: p, ctx: ctx, seeds: members,
		readings: make(chan *Reading), hints: make(chan hint), configs: make(chan *Config), closed: make(chan time.Time), refreshed: make(chan func()),
		proofs: make(chan proof, 1),
	}
	for _, m := range members {
		b.start(m)
	}
	overdue := time.NewTimer(halfOf(ctx))
	defer overdue.Stop()
	late := false // members that have not answered yet
	for b.taking > 0 || b.asking || b.refreshing > 0 || b.proving && b.prover() != nil {
		select {
		case <-overdue.C:
			late = true
		case p := <-b.proofs:
			b.proved(p)
		case h := <-b.hints:
			if h.config == nil {
				b.candidates = append(b.candidates, h.member)
			}
			b.learn(h.config)
		case r := <-b.readings:
			b.taking--
			if b.wanted(r.Member) {
				s.Readings = append(s.Readings, r)
				b.learn(r.Config)
			}
		case c := <-b.configs:
			b.learn(c)
		case b.session = <-b.closed:
			b.asking = false
		case take := <-b.refreshed:
			b.refreshing--
			take()
		}
		b.refresh()
		if b.wantsConfig(widen) {
			b.askConfig()
		}
		if m := b.prover(); m != nil && !b.proving && b.Prover == "" && (b.taking == 0 || late) {
			b.prove(*m)
		}
	}
	order := func(r *Reading) int {
		return slices.IndexFunc(b.all, func(m Member) bool { return m.Name() == r.Name() })
	}
	slices.SortFunc(s.Readings, func(x, y *Reading) int { return order(x) - order(y) })
	b.identify()
	s.noteClocks()
	s.measureLag(nil)
	sortMembers(s.Readings)
	return s, nil
}

// halfOf returns half of the time that ctx, which must have a deadline, leaves.
func halfOf(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline) / 2
}

// Again asks the members of a survey once more, without looking for others and without a session.
func (p *Prober) Again(ctx context.Context, known *Survey) *Survey {
	s := &Survey{Config: known.Config, Notes: known.Notes, Alone: known.Alone, Readings: make([]*Reading, len(known.Readings))}
	var members []Member
	for _, r := range known.Readings {
		members = append(members, r.Member)
	}
	var wg sync.WaitGroup
	for i, m := range members {
		crowded := slices.ContainsFunc(members, func(o Member) bool { return o.Name() != m.Name() && sharesHost(o, m) })
		wg.Go(func() { s.Readings[i] = p.take(ctx, m, crowded, everything(), nil) })
	}
	wg.Wait()
	s.measureLag(nil)
	return s
}

// survey is a Survey in progress. One goroutine owns it.
type survey struct {
	*Survey
	p        *Prober
	ctx      context.Context
	patience time.Duration // for each question; 0 if ctx has a deadline for all
	seeds    []Member
	all      []Member // that are or were asked
	readings chan *Reading
	hints    chan hint
	configs  chan *Config
	closed   chan time.Time
	taking   int             // readings in progress
	busy     map[string]bool // the members that are being asked, by name
	asking   bool            // for the configuration, by a session
	session  time.Time       // when the session that read the configuration had ended; zero without one
	widened  bool
	resolved map[string][]string
	twice    []string // notes on members that were named twice

	candidates []Member // for a session; not yet asked

	again      map[*Reading]bool // readings whose zxid was or is asked for again
	refreshing int
	refreshed  chan func()

	proving  bool
	proofs   chan proof // has room for one, which may come too late
	provedAt time.Time
}

// refresh asks members for their zxid again if they were asked before the session, which is a transaction itself: they
// would seem to lag.
func (b *survey) refresh() {
	for _, r := range b.Readings {
		if r.State != Serving || !r.At.Before(b.session) || !slices.Contains(r.Doors, Words) || b.again[r] {
			continue
		}
		if b.again == nil {
			b.again = map[*Reading]bool{}
		}
		b.again[r] = true
		b.refreshing++
		m := r.Member
		go func() {
			took := func() {}
			if text, err := b.p.Word(b.ctx, &m, "srvr"); err == nil {
				if s, err := answer.ParseSrvr(text); err == nil && s.Zxid.Known() {
					took = func() { r.Zxid = s.Zxid }
				}
			}
			b.refreshed <- took
		}()
	}
}

func (b *survey) start(m Member) {
	b.all = append(b.all, m)
	b.ask(m, everything())
}

// ask takes a reading of a member.
func (b *survey) ask(m Member, q questions) {
	b.taking++
	if b.busy == nil {
		b.busy = map[string]bool{}
	}
	b.busy[m.Name()] = true
	crowded := slices.ContainsFunc(b.seeds, func(o Member) bool { return o.Name() != m.Name() && sharesHost(o, m) }) ||
		slices.ContainsFunc(b.all, func(o Member) bool { return o.Name() != m.Name() && sharesHost(o, m) })
	go func() {
		ctx, cancel := b.within()
		defer cancel()
		b.readings <- b.p.take(ctx, m, crowded, q, b.hints)
	}()
}

// within returns the context of a question.
func (b *survey) within() (context.Context, context.CancelFunc) {
	if b.patience == 0 {
		return context.WithCancel(b.ctx)
	}
	return context.WithTimeout(b.ctx, b.patience)
}

func sharesHost(a, b Member) bool {
	if a.AdminPort != b.AdminPort {
		return false
	}
	for _, x := range a.Addresses {
		for _, y := range b.Addresses {
			if x.Host == y.Host {
				return true
			}
		}
	}
	return false
}

// wantsConfig reports whether it is time to ask for the configuration by a session.
func (b *survey) wantsConfig(widen bool) bool {
	return widen && b.Config == nil && !b.asking && len(b.candidates) > 0
}

// askConfig asks the next candidate. Its members are asked while the session is being closed, which takes a transaction.
func (b *survey) askConfig() {
	m := b.candidates[0]
	b.candidates = b.candidates[1:]
	b.asking = true
	go func() {
		defer func() { b.closed <- time.Now() }()
		ctx, cancel := b.within()
		defer cancel()
		conn, end, err := b.p.brief(ctx, &m, true)
		if err != nil {
			return
		}
		defer end()
		told := &Reading{Member: m}
		if text, _, err := conn.GetConfig(ctx, false); err == nil {
			told.takeConfig(string(text), Session)
		}
		b.configs <- told.Config
	}()
}

// learn takes the configuration and asks the members that are new in it. Another ensemble's configuration replaces it if it
// comes from a member that was named before: that one says which ensemble is meant.
func (b *survey) learn(c *Config) {
	switch {
	case c == nil:
		return
	case b.Config == nil:
	case c.foreign(b.Config) && b.seed(c.From) < b.seed(b.Config.From):
		listed := func(m Member) bool { return b.seed(m.Name()) == len(b.seeds) }
		b.all = slices.DeleteFunc(b.all, listed)
		b.Readings = slices.DeleteFunc(b.Readings, func(r *Reading) bool { return listed(r.Member) })
		b.widened = false
	default:
		return
	}
	b.Config = c
	if b.Alone || b.widened {
		return
	}
	b.widened = true
	for _, m := range b.newMembers(b.configured()) {
		b.start(m)
	}
}

// configured returns the members of the configuration. Its client ports are those without TLS, so with TLS they are not asked,
// unless the member that reported it was asked at one of them.
func (b *survey) configured() []Member {
	port := client.DefaultPort
	if i := slices.IndexFunc(b.all, func(m Member) bool { return m.Name() == b.Config.From }); i >= 0 {
		port = b.all[i].Addresses[0].Port
	}
	named := slices.ContainsFunc(b.Config.Members(), func(m zoocfg.Member) bool { return m.Client.Port == port })
	return configured(b.Config, port, b.p.Client.TLS == nil || named)
}

// seed returns the place of a member among those that were named, or their number if it was not.
func (b *survey) seed(name string) int {
	if i := slices.IndexFunc(b.seeds, func(m Member) bool { return m.Name() == name }); i >= 0 {
		return i
	}
	return len(b.seeds)
}

// wanted reports whether a member is still to be asked: what was learnt meanwhile may exclude it.
func (b *survey) wanted(m Member) bool {
	return slices.ContainsFunc(b.all, func(o Member) bool { return o.Name() == m.Name() })
}

// configured returns the members of a configuration. If useful is false, or if it names no client port, port is the guess.
func configured(c *Config, port int, useful bool) (list []Member) {
	for _, m := range c.Members() {
		to := Member{ID: answer.Some(m.ID), Role: answer.Some(m.Role)}
		switch {
		case m.Client.IsZero() || !useful:
			to.Guessed = true
			for _, a := range m.Addrs {
				to.add(a.Host, port)
			}
		case m.Client.AnyHost():
			for _, a := range m.Addrs {
				to.add(a.Host, m.Client.Port)
			}
		default:
			to.add(m.Client.Host, m.Client.Port)
		}
		list = append(list, to)
	}
	return list
}

func (m *Member) add(host string, port int) {
	a := client.Address{Host: answer.Host(host), Port: port}
	if port > 0 && !slices.Contains(m.Addresses, a) {
		m.Addresses = append(m.Addresses, a)
	}
}

// guessed returns how many members each guess stands for, by its name.
func guessed(list []Member) map[string]int {
	n := map[string]int{}
	for _, m := range list {
		if m.Guessed {
			n[m.Name()]++
		}
	}
	return n
}

// newMembers returns the members of the configuration that have not been asked. A guess that fits several members is dropped.
func (b *survey) newMembers(list []Member) (found []Member) {
	guesses := guessed(list)
	hosts := map[string]int{}    // number of named members by host, for hosts whose members look alike
	nameless := map[string]int{} // of them, those that have not told their id
	for _, o := range b.seeds {
		hosts[o.Addresses[0].Host]++
		if !slices.ContainsFunc(b.Readings, func(r *Reading) bool { return r.Name() == o.Name() && r.ID.Known() }) {
			nameless[o.Addresses[0].Host]++
		}
	}
	for _, m := range list {
		switch {
		case m.Guessed && guesses[m.Name()] > 1:
			host := m.Addresses[0].Host
			if hosts[host] >= guesses[m.Name()] || guesses[m.Name()] == len(b.seeds) || slices.ContainsFunc(b.Readings, func(r *Reading) bool { return r.ID == m.ID }) {
				continue // they are among those that were named
			}
			if nameless[host] > 0 {
				nameless[host]--
				continue
			}
			m.Addresses = nil
		case slices.ContainsFunc(b.all, func(o Member) bool { return b.same(o, m) }):
			continue
		}
		if n := len(b.p.AdminPorts); n > 0 {
			m.AdminPort = b.p.AdminPorts[0]
			if n > 1 { // each is of a server that was named
				m.AdminPort = 0
			}
		}
		found = append(found, m)
	}
	return found
}

// same reports whether a named member is the listed one: by its id if it reported one, otherwise by its addresses or what
// they resolve to.
func (b *survey) same(named, listed Member) bool {
	for _, r := range b.Readings {
		if r.Name() == named.Name() {
			if id, ok := r.ID.Get(); ok {
				return id == listed.ID.Or(-1) && !r.Config.foreign(b.Config)
			}
		}
	}
	for _, x := range named.Addresses {
		for _, y := range listed.Addresses {
			if x.Port == y.Port && (x.Host == y.Host || b.oneHost(x.Host, y.Host)) {
				return true
			}
		}
	}
	return false
}

// oneHost reports whether two hosts have an IP address in common.
func (b *survey) oneHost(x, y string) bool {
	p, q := b.resolve(x), b.resolve(y)
	return slices.ContainsFunc(p, func(ip string) bool { return slices.Contains(q, ip) })
}

// resolveTime limits looking up a name that is only compared.
const resolveTime = 500 * time.Millisecond

func (b *survey) resolve(host string) (list []string) {
	if ip := net.ParseIP(host); ip != nil {
		return []string{ip.String()}
	}
	if list, known := b.resolved[host]; known {
		return list
	}
	ctx, cancel := context.WithTimeout(b.ctx, resolveTime)
	defer cancel()
	found, _ := net.DefaultResolver.LookupIPAddr(ctx, host)
	for _, ip := range found {
		list = append(list, ip.IP.String())
	}
	if b.resolved == nil {
		b.resolved = map[string][]string{}
	}
	b.resolved[host] = list
	return list
}

// identify gives the readings the ids and roles of the configuration, and marks strangers.
func (b *survey) identify() {
	if b.Config == nil {
		return
	}
	for _, r := range b.Readings { // the first that is named says which ensemble is meant
		if r.Config != nil {
			if b.Alone {
				b.Config = r.Config
			}
			break
		}
	}
	for _, r := range b.Readings {
		r.Stranger = r.Config.foreign(b.Config)
	}
	list := b.configured()
	guesses := guessed(list)
	matches := func(r *Reading, m Member) bool { return guesses[m.Name()] <= 1 && b.same(r.Member, m) }
	taken := map[int64]bool{}
	for _, r := range b.Readings {
		if id, ok := r.ID.Get(); ok && !r.Stranger {
			taken[id] = true
		}
	}
	for _, r := range b.Readings {
		for _, m := range list {
			if r.Stranger {
				break
			}
			id := m.ID.Or(0)
			if own, known := r.ID.Get(); known && own != id || !known && (taken[id] || !matches(r, m)) {
				continue
			}
			r.ID, r.Role = m.ID, m.Role
			taken[id] = true
		}
	}
	b.unite(list, matches)
	for _, r := range b.Readings {
		_, listed := b.Config.Member(r.ID.Or(-1))
		r.Stranger = r.Stranger || r.ID.Known() && !listed || r.Mode == "standalone" && len(b.Config.Members()) > 1
	}
	b.note()
}

// foreign reports whether a member's configuration belongs to another ensemble: no server has the same id and quorum address
// in both.
func (c *Config) foreign(other *Config) bool {
	if c == nil || other == nil {
		return false
	}
	for _, m := range c.Members() {
		if o, ok := other.Member(m.ID); ok && slices.ContainsFunc(m.Addrs, func(a zoocfg.QuorumAddr) bool { return slices.Contains(o.Addrs, a) }) {
			return false
		}
	}
	return true
}

// unite leaves one reading of each member: one that was named may have been named twice, or be listed at another address. matches
// reports whether a reading without an id is of a listed member.
func (b *survey) unite(list []Member, matches func(*Reading, Member) bool) {
	ids := map[*Reading]int64{}
	chosen := map[int64]*Reading{}
	for _, r := range b.Readings {
		id, known := r.ID.Get()
		if !known && !r.Stranger {
			if i := slices.IndexFunc(list, func(m Member) bool { return matches(r, m) }); i >= 0 {
				id, known = list[i].ID.Get()
			}
		}
		if r.Stranger || !known {
			continue
		}
		ids[r] = id
		if o := chosen[id]; o == nil || r.State == Serving && o.State != Serving || (r.State == Serving) == (o.State == Serving) && b.seed(r.Name()) < b.seed(o.Name()) {
			chosen[id] = r
		}
	}
	all := len(list) > 0 && !slices.ContainsFunc(list, func(m Member) bool { r := chosen[m.ID.Or(0)]; return r == nil || r.State != Serving })
	drop := func(r *Reading, format string, a ...any) bool {
		b.Twice = append(b.Twice, r.Name())
		if r.Named {
			b.twice = append(b.twice, fmt.Sprintf(format, a...))
		}
		return true
	}
	b.Readings = slices.DeleteFunc(b.Readings, func(r *Reading) bool {
		id, known := ids[r]
		switch {
		case known && chosen[id] != r:
			return drop(r, "%s and %s are both member %d: one server by two names, or two servers with the same myid", chosen[id].Name(), r.Name(), id)
		case !known && !r.Stranger && all && r.Mode != "standalone":
			return drop(r, "%s is one of the listed members, at another address", r.Name())
		}
		return false
	})
}

func (b *survey) note() {
	var named []string
	for _, r := range b.Readings {
		if r.Guessed && len(r.Addresses) > 0 {
			named = append(named, r.Name())
		}
	}
	if len(named) > 0 {
		what := "client ports"
		if b.p.Client.TLS != nil {
			what = "ports with TLS"
		}
		b.Notes = append(b.Notes, fmt.Sprintf("the configuration names no %s: %v is a guess; --members names them", what, named))
	}
	b.Notes = append(b.Notes, b.twice...)
}

// measureLag compares the members with the leader. A nil comparable accepts all readings.
func (s *Survey) measureLag(comparable func(r, leader *Reading) bool) {
	var leader *Reading
	for _, r := range s.Readings {
		if !r.Leads() || !r.Zxid.Known() || r.Stranger {
			continue
		}
		if leader != nil && leader.Zxid.Or(0)>>32 > r.Zxid.Or(0)>>32 {
			continue
		}
		leader = r
	}
	if leader == nil {
		return
	}
	last := leader.Zxid.Or(0)
	for _, r := range s.Readings {
		z, ok := r.Zxid.Get()
		switch {
		case !ok || r.State != Serving || r.Stranger || r.Mode == "standalone" || r.Mode == "read-only" || comparable != nil && !comparable(r, leader):
		case z>>32 == last>>32:
			r.Lag = answer.Some(max(0, int64(last-z)))
		case z>>32 < last>>32: // it has synced with this leader, and no transaction since
			r.Lag = answer.Some(int64(last & 0xffffffff))
		}
	}
}

// errNoMember is the error for an id that no member has.
var errNoMember = errors.New("no such member")

// ByID finds a member by its id.
func (s *Survey) ByID(id int64) (*Reading, error) {
	for _, r := range s.Readings {
		if n, ok := r.ID.Get(); ok && n == id {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%w: %d", errNoMember, id)
}
