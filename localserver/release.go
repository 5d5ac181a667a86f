package localserver

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// release returns what embedded members emulate unless their configuration says otherwise: the
// release of the Apache members, if there are any. A leader must not propose what an older member
// cannot apply.
func (e *Ensemble) release() release.Release {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.java != nil {
		if r, ok := release.Nearest(e.java.Version()); ok {
			return r
		}
	}
	return release.Newest
}

// adoptRelease tells the running members about the Apache members' release, unless the
// configuration says what to emulate.
func (e *Ensemble) adoptRelease() {
	r := e.release()
	if asked, err := release.Parse(e.base[zoocfg.EmulateKey]); err == nil && asked.MultiKeepsCreate2() && !r.MultiKeepsCreate2() && e.log != nil {
		fmt.Fprintf(e.log, "%s=%v is newer than the Apache members, which are %v: they cannot apply a create2 within a multi\n", zoocfg.EmulateKey, asked, r)
	}
	for _, m := range e.Members() {
		if s := m.embedded(); s != nil && s.cfg.Emulate == (release.Release{}) {
			s.Emulate(r)
		}
	}
}

// releasePatience is how long the other servers of an ensemble may take to report their release.
const releasePatience = time.Second

// ensembleRelease returns the release of the other servers of an ensemble: the oldest if they
// differ, or the newest of all if nobody answers.
func ensembleRelease(cfg *zoocfg.Config, log *zklog.Logger) release.Release {
	ctx, cancel := context.WithTimeout(context.Background(), releasePatience)
	defer cancel()
	type answer struct {
		addr, version string
	}
	self, _ := cfg.Self()
	asked := 0
	answers := make(chan answer, len(cfg.Verifier.Members()))
	for _, other := range cfg.Verifier.Members() {
		addr := clientAddress(cfg, self, other)
		if other.ID == cfg.ServerID || addr == "" {
			continue
		}
		asked++
		go func() {
			var s Status
			if text, err := FourLetterWord(ctx, addr, "srvr", nil); err == nil {
				s.readSrvr(text)
			}
			answers <- answer{addr, s.Version}
		}()
	}
	oldest, found := release.Newest, answer{}
	for range asked {
		a := <-answers
		if r, ok := release.Nearest(a.version); ok && (found.addr == "" || r.Before(oldest)) {
			oldest, found = r, a
		}
	}
	if found.addr != "" {
		log.Infof("Emulating ZooKeeper %v because the server on %s is %s; %s says otherwise", oldest, found.addr, found.version, zoocfg.EmulateKey)
	}
	return oldest
}

// clientAddress returns where another server of the ensemble probably serves clients: where its
// line says, or on this server's port if it is on another host; "" if unknown.
func clientAddress(cfg *zoocfg.Config, self, other zoocfg.Member) string {
	if len(other.Addrs) == 0 {
		return ""
	}
	host, port := other.Addrs[0].Host, other.Client.Port
	switch {
	case port != 0 && !other.Client.AnyHost():
		host = other.Client.Host
	case port == 0 && (len(self.Addrs) == 0 || host == self.Addrs[0].Host):
		return ""
	case port == 0:
		port = cfg.Client.Port
	}
	if port == 0 {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
