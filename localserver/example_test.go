package localserver_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver"
)

// A test gets its own server with one call.
func ExampleNew() {
	test := func(t *testing.T) {
		server := localserver.New(t) // stops when the test ends
		client := connect(t, server.ConnectString())
		if err := client.Create("/mine", 0); err != nil {
			t.Error(err)
		}
	}
	fmt.Println(passes(test))
	// Output: true
}

// One server, its data in a temporary folder.
func ExampleStart() {
	ctx := context.Background()
	server, err := localserver.Start(ctx, localserver.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	// Any client of ZooKeeper connects to server.ConnectString().
	for _, member := range server.Status(ctx) {
		fmt.Println("member", member.ID, "is", member.Role)
	}
	// Output: member 1 is standalone
}

// Three voting members and an observer. The leader dies; another takes its place.
func ExampleStart_ensemble() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ensemble, err := localserver.Start(ctx, localserver.Options{
		Size: 3, Observers: 1,
		Properties: map[string]string{"tickTime": "500"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ensemble.Close()

	first, err := ensemble.WaitLeader(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := first.Kill(); err != nil {
		fmt.Println(err)
		return
	}
	second, err := ensemble.WaitLeader(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("another leads:", second != first)
	// Output: another leads: true
}

// server starts a server in memory for an example.
func server() *localserver.Ensemble {
	server, err := localserver.Start(context.Background(), localserver.Options{Ephemeral: true})
	if err != nil {
		panic(err)
	}
	return server
}

// dial connects an example's client.
func dial(server *localserver.Ensemble, timeout time.Duration) *client.Conn {
	c, err := client.Open(client.Config{Servers: server.ConnectString(), SessionTimeout: timeout, Wait: true})
	if err != nil {
		panic(err)
	}
	return c
}

// A write takes effect, but the client never receives the answer: the connection breaks.
func ExampleEnsemble_Inject() {
	server := server()
	defer server.Close()
	client := dial(server, 10*time.Second)
	defer client.Close()
	ctx := context.Background()

	lost, err := server.Inject(localserver.Fault{
		Op: localserver.OpSetData, Path: "/app", Subtree: true, Times: 1,
		Drop: true, // with Before: true the write would not be done
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lost.Remove()

	if err := server.Seed(ctx, map[string]string{"/app/config": "old"}); err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Set(ctx, "/app/config", []byte("new"), -1)
	fmt.Println(errors.Is(err, proto.ErrConnectionLoss), "after", lost.Hits(), "hit")
	znode, err := server.Znode(ctx, "/app/config")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("data %q, version %d\n", znode.Data, znode.Version)
	// Output:
	// true after 1 hit
	// data "new", version 1
}

// A session and a TTL znode expire without waiting. A connected client notices nothing.
func ExampleEnsemble_Advance() {
	server := server()
	defer server.Close()
	client := dial(server, 10*time.Second)
	defer client.Close()
	ctx := context.Background()
	for path, mode := range map[string]proto.CreateMode{"/session": proto.Ephemeral, "/minute": proto.PersistentTTL} {
		if _, _, err := client.Create(ctx, path, nil, proto.OpenACL, mode, time.Minute.Milliseconds()); err != nil {
			fmt.Println(err)
			return
		}
	}

	if err := server.Advance(ctx, 2*time.Minute); err != nil {
		fmt.Println(err)
		return
	}
	tree, err := server.Dump(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(tree), "znode and", len(server.Sessions()), "session are left")

	server.Refuse(time.Minute) // the client cannot come back
	server.DropConnections()
	if err := server.Advance(ctx, time.Minute); err != nil {
		fmt.Println(err)
		return
	}
	_, err = server.Znode(ctx, "/session")
	fmt.Println("the ephemeral znode is gone:", errors.Is(err, localserver.ErrNoNode))
	// Output:
	// 1 znode and 1 session are left
	// the ephemeral znode is gone: true
}

// A test prepares znodes, and checks what its program has done with them.
func ExampleEnsemble_Seed() {
	server := server()
	defer server.Close()
	ctx := context.Background()

	if err := server.Seed(ctx, map[string]string{"/app/config": "{}", "/app/leader": ""}); err != nil {
		fmt.Println(err)
		return
	}
	// … your program runs …
	tree, err := server.Dump(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tree)
	// Output: map[/app: /app/config:{} /app/leader:]
}

// A client's watch is listed with its session.
func ExampleEnsemble_Watches() {
	server := server()
	defer server.Close()
	client := dial(server, 10*time.Second)
	defer client.Close()
	if _, _, err := client.Children(context.Background(), "/", true); err != nil {
		fmt.Println(err)
		return
	}
	for _, watch := range server.Watches() {
		fmt.Println(watch.Path, watch.Kind, watch.Session == client.SessionID())
	}
	// Output: / children true
}

// A session expires, and its ephemeral znodes are gone.
func ExampleEnsemble_ExpireSession() {
	server := server()
	defer server.Close()
	client := dial(server, 10*time.Second)
	defer client.Close()
	ctx := context.Background()
	if _, _, err := client.Create(ctx, "/lock", nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
		fmt.Println(err)
		return
	}

	if err := server.ExpireSession(ctx, client.SessionID()); err != nil {
		fmt.Println(err)
		return
	}
	_, err := server.Znode(ctx, "/lock")
	fmt.Println(errors.Is(err, localserver.ErrNoNode))
	// Output: true
}

// A member that is cut off from the majority does not serve until the links are restored.
func ExampleEnsemble_Partition() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ensemble, err := localserver.Start(ctx, localserver.Options{Size: 3, Ephemeral: true, Properties: map[string]string{"tickTime": "200"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ensemble.Close()

	if err := ensemble.Partition([]int64{1}, []int64{2, 3}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("cut:", ensemble.CutLinks())
	ensemble.HealAll()
	fmt.Println("cut:", ensemble.CutLinks())
	// Output:
	// cut: [[1 2] [1 3]]
	// cut: []
}

// A program that runs a server in the background is notified if it cannot continue.
func ExampleEnsemble_Done() {
	server := server()
	go server.Close()
	<-server.Done()
	fmt.Println(server.Err())
	// Output: <nil>
}
