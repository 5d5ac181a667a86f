package apachetest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/port"
)

// Ensemble is the servers of an ensemble, Apache's or others: for each id, the value of its
// server.N line.
type Ensemble map[int64]string

// NewEnsemble returns lines for servers 1 to n on free ports of 127.0.0.1. They have no client
// ports, so that each server uses the one in its zoo.cfg.
func NewEnsemble(n int) (Ensemble, error) {
	ports := map[int]bool{}
	for len(ports) < 2*n {
		port, err := port.Free()
		if err != nil {
			return nil, err
		}
		ports[port] = true
	}
	e, free := Ensemble{}, slices.Collect(maps.Keys(ports))
	for i := range n {
		e[int64(i+1)] = fmt.Sprintf("127.0.0.1:%d:%d:participant", free[2*i], free[2*i+1])
	}
	return e, nil
}

// StartMember starts one server of an ensemble and returns when it serves clients, which takes a
// quorum: start the servers concurrently. Options.Dir, the data directory, must exist.
func (e Ensemble) StartMember(ctx context.Context, in *apache.Installation, id int64, opt apache.Options) (*apache.Server, error) {
	properties := map[string]string{"initLimit": "10", "syncLimit": "5"}
	for id, line := range e {
		properties["server."+strconv.FormatInt(id, 10)] = line
	}
	maps.Copy(properties, opt.Properties)
	opt.Properties = properties
	if err := os.WriteFile(filepath.Join(opt.Dir, "myid"), []byte(strconv.FormatInt(id, 10)+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("start ZooKeeper: %w", err)
	}
	return in.Start(ctx, opt)
}
