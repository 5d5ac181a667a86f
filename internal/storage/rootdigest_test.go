package storage

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// A server's digests are off while the root is written and gets children at the same time. A replay
// does not treat that as damage, because they agree again afterwards.
func TestDigestsWhileTheRootChanges(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := apachetest.Test(t, apache.Options{})
	c, err := client.Open(client.Config{Servers: s.Addr(), Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.WaitConnected(ctx); err != nil {
		t.Fatal(err)
	}
	set := func(n int) proto.MultiOp {
		return proto.MultiOp{Type: proto.OpSetData, Request: &proto.SetDataRequest{Path: "/", Data: fmt.Appendf(nil, "data %d", n), Version: -1}}
	}
	create := func(path string) proto.MultiOp {
		return client.CreateOp(path, nil, proto.OpenACL, proto.Persistent, 0)
	}
	for n := range 10 {
		a, b := fmt.Sprintf("/a%d", n), fmt.Sprintf("/b%d", n)
		for _, ops := range [][]proto.MultiOp{
			{create(a), set(n)},
			{set(n), create(b), set(n + 1), {Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: a, Version: -1}}},
		} {
			if _, err := c.Multi(ctx, ops); err != nil {
				t.Fatal(err)
			}
		}
	}
	var all sync.WaitGroup
	for n := range 100 {
		all.Add(1)
		go func() {
			defer all.Done()
			var err error
			switch n % 4 {
			case 0:
				_, err = c.Set(ctx, "/", fmt.Appendf(nil, "more %d", n), -1)
			case 1:
				_, err = c.SetACL(ctx, "/", proto.OpenACL, -1)
			default:
				_, _, err = c.Create(ctx, fmt.Sprintf("/c%d", n), nil, proto.OpenACL, proto.Persistent, 0)
			}
			if err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	for range 20 {
		if _, _, err := c.Create(ctx, "/c2/rest", nil, proto.OpenACL, proto.PersistentSequential, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}

	d, err := ReadDir(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	var check DigestCheck
	if _, faults, err := d.Load(ctx, LoadOptions{Strict: true, Digests: &check}); err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	if check.Failed > 0 || len(check.Faults) > 0 || check.Compared < 20 {
		t.Errorf("%d of %d digests disagree: %v", check.Failed, check.Compared, check.Faults)
	}
}
