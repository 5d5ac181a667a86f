package localserver

import (
	"context"
	"fmt"

	"github.com/zkctl/zkctl/localserver/internal/engine"
	"github.com/zkctl/zkctl/localserver/internal/replica"
)

// launchApache starts the member's Java process. Its configuration and its log are in a temporary
// folder that lives as long as the ensemble.
func (m *Member) launchApache(ctx context.Context) (process, error) {
	m.mu.Lock()
	java := m.java
	m.mu.Unlock()
	if java != nil {
		java.Moved(m.Port())
		if err := java.Restart(ctx); err != nil {
			return nil, err
		}
		return &apacheRun{java}, nil
	}
	cfg, _, err := m.e.config(m) // with the same errors as an embedded member
	if err != nil {
		return nil, err
	}
	if cfg.Client.Host != "127.0.0.1" && cfg.Client.Host != "0.0.0.0" {
		return nil, fmt.Errorf("Apache ZooKeeper can only listen on 127.0.0.1 or 0.0.0.0 here, not on %s", cfg.Client.Host)
	}
	opt := engine.Options{Dir: m.dir, Port: m.Port(), Properties: m.e.zooCfg(m, ""), Died: m.fail}
	if m.secure != 0 { // only Netty has TLS
		opt.Properties["serverCnxnFactory"] = "org.apache.zookeeper.server.NettyServerCnxnFactory"
	}
	for key, value := range m.e.opt.System {
		opt.JVM = append(opt.JVM, "-D"+key+"="+value)
	}
	if cfg.SuperDigest == "" && m.e.super != "" { // do not replace the user's own
		digest, err := replica.Digest(cfg.DigestAlg, "super:"+m.e.super)
		if err != nil {
			return nil, err
		}
		opt.JVM = append(opt.JVM, "-D"+superDigestProperty+"="+digest)
	}
	if m.e.distributed() {
		if m.proxy == nil {
			if m.proxy, err = m.e.java.Proxy(m.gate.Dial); err != nil {
				return nil, err
			}
		}
		opt.JVM = append(opt.JVM, m.proxy.JVM()...)
	}
	if java, err = m.e.java.Start(ctx, opt); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.java = java
	m.mu.Unlock()
	return &apacheRun{java}, nil
}

// LogFile returns the path of an Apache member's log, or "" for an embedded member, whose log is
// Options.Log.
func (m *Member) LogFile() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.java == nil {
		return ""
	}
	return m.java.LogFile()
}

// apacheRun is a run of a Java process.
type apacheRun struct{ java engine.Server }

func (r *apacheRun) stop() error   { return r.java.Shutdown() }
func (r *apacheRun) kill() error   { return r.java.Kill() }
func (r *apacheRun) pause() error  { return r.java.Pause() }
func (r *apacheRun) resume() error { return r.java.Resume() }
func (r *apacheRun) pid() int      { return r.java.Pid() }
