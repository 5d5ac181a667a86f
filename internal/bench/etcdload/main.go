// Etcdload keeps the leader of an etcd cluster busy with writes through etcd's own client, as internal/load does with
// ZooKeeper's servers, and prints how many it answered. internal/bench builds and runs it. It is a separate module so that
// the client and gRPC are no dependencies of zkctl.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

func main() {
	endpoints := flag.String("endpoints", "", "the members' client `URLs`, with commas between them")
	clients := flag.Int("clients", 16, "connections")
	window := flag.Int("window", 32, "writes that each has in flight")
	size := flag.Int("size", 100, "`bytes` of a value")
	warm := flag.Duration("warm", time.Second, "how long to write before measuring")
	length := flag.Duration("for", 3*time.Second, "how `long` to measure")
	flag.Parse()
	if err := run(strings.Split(*endpoints, ","), *clients, *window, *size, *warm, *length); err != nil {
		fmt.Fprintln(os.Stderr, "etcdload:", err)
		os.Exit(1)
	}
}

func run(endpoints []string, clients, window, size int, warm, length time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), warm+length+30*time.Second)
	defer cancel()
	leader, err := findLeader(ctx, endpoints)
	if err != nil {
		return err
	}
	var (
		wg     sync.WaitGroup
		ops    atomic.Int64
		failed atomic.Pointer[error]
	)
	value := string(make([]byte, size))
	begin := time.Now().Add(warm)
	end := begin.Add(length)
	for i := range clients {
		c, err := dial(leader)
		if err != nil {
			return err
		}
		defer c.Close()
		key := fmt.Sprintf("/load%d", i)
		for range window {
			wg.Go(func() {
				for failed.Load() == nil {
					if _, err := c.Put(ctx, key, value); err != nil {
						failed.Store(&err)
						return
					}
					now := time.Now()
					if now.After(end) {
						return
					}
					if now.After(begin) {
						ops.Add(1)
					}
				}
			})
		}
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return fmt.Errorf("put: %w", *err)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"ops": ops.Load(), "seconds": length.Seconds()})
}

func dial(endpoint string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
}

// findLeader waits until one of the members leads.
func findLeader(ctx context.Context, endpoints []string) (string, error) {
	last := errors.New("no member leads")
	for start := time.Now(); time.Since(start) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		for _, e := range endpoints {
			leads, err := leads(ctx, e)
			if leads {
				return e, nil
			}
			if err != nil {
				last = err
			}
		}
	}
	return "", fmt.Errorf("find the leader of etcd: %w", last)
}

func leads(ctx context.Context, endpoint string) (bool, error) {
	c, err := dial(endpoint)
	if err != nil {
		return false, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s, err := c.Status(ctx, endpoint)
	if err != nil {
		return false, err
	}
	return s.Leader != 0 && s.Leader == s.Header.MemberId, nil
}
