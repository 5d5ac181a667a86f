package localserver_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/zkctl/zkctl/localserver"
)

// One server, its data in a temporary folder.
func ExampleStart() {
	server, err := localserver.Start(context.Background(), localserver.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	// Any client of ZooKeeper connects to server.ConnectString().
	conn, err := net.Dial("tcp", server.ConnectString())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	for _, status := range server.Status(context.Background()) {
		fmt.Println("member", status.ID, "is", status.Role)
	}
	// Output: member 1 is standalone
}

// Three members that vote and one that watches. The leader dies; another takes its place.
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

// A test has a server of its own with one call.
func ExampleNew() {
	test := func(t *testing.T) {
		server := localserver.New(t)
		t.Log("connect to", server.ConnectString())
	}
	_ = test
	// Output:
}
