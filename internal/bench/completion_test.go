package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
)

// The benchmarks live in a test because internal packages import no room, and bench runs
// them on its own server.

func openBenchTree(b *testing.B) (*client.Conn, string) {
	server, parent := os.Getenv(serverVariable), os.Getenv(parentVariable)
	if server == "" {
		b.Skip("bench runs this; it sets " + serverVariable)
	}
	conn, err := client.Open(client.Config{Servers: server})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	if err := conn.WaitConnected(context.Background()); err != nil {
		b.Fatal(err)
	}
	return conn, parent
}

func newCompleter(conn *client.Conn) *completions.Completer {
	return completions.New(completions.Config{Env: &command.Env{Commands: commands.All}, Tree: func() completions.Tree { return conn }, TTL: time.Hour})
}

func reportMedian(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds()), "median-ns")
	b.ReportMetric(float64(times[len(times)-1].Nanoseconds()), "slowest-ns")
}

// BenchmarkCompletionFirstAnswer asks with nothing in the cache.
func BenchmarkCompletionFirstAnswer(b *testing.B) {
	conn, parent := openBenchTree(b)
	line := "get " + parent + "/"
	var times []time.Duration
	for b.Loop() {
		c := newCompleter(conn)
		start := time.Now()
		got := c.Complete(context.Background(), line, len(line), "/")
		times = append(times, time.Since(start))
		if got.Total != wideParent {
			b.Fatalf("%d suggestions, want %d", got.Total, wideParent)
		}
	}
	reportMedian(b, times)
}

// BenchmarkCompletionNextKey types a name letter by letter after the first answer.
func BenchmarkCompletionNextKey(b *testing.B) {
	conn, parent := openBenchTree(b)
	c := newCompleter(conn)
	line := "get " + parent + "/"
	if got := c.Complete(context.Background(), line, len(line), "/"); got.Total != wideParent {
		b.Fatalf("%d suggestions, want %d", got.Total, wideParent)
	}
	var times []time.Duration
	n := 0
	for b.Loop() {
		name := fmt.Sprintf("node-%06d", n*7919%wideParent)
		n++
		for i := 1; i <= len(name); i++ {
			typed := line + name[:i]
			start := time.Now()
			got := c.Lookup(typed, len(typed), "/")
			times = append(times, time.Since(start))
			if got.Total == 0 {
				b.Fatalf("nothing begins with %s", typed)
			}
		}
	}
	reportMedian(b, times)
}
