package torture

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/localserver"
)

var (
	long = flag.Duration("torture.for", 0, "how long each test goes on; a few rounds when 0")
	seed = flag.Uint64("torture.seed", 0, "repeats what a seed led to as far as it can be repeated; a random one when 0")
)

// childEnv has the options of a server that this binary runs instead of its tests.
const childEnv = "ZKCTL_TORTURE_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(childMain(text))
	}
	os.Exit(apachetest.Main(m))
}

// random is a generator whose seed is printed.
func random(t testing.TB) *rand.Rand {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("seed: -torture.seed=%d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// rounds calls f a few times, or for as long as the flag says.
func rounds(t *testing.T, short int, f func(n int)) {
	began := time.Now()
	n := 0
	for ; !t.Failed() && (n < short && *long == 0 || time.Since(began) < *long); n++ {
		f(n)
	}
	t.Logf("%d rounds in %v", n, time.Since(began).Round(time.Millisecond))
}

// childOptions configure a server in a separate process.
type childOptions struct {
	Dir        string
	Port       int
	Properties map[string]string // of zoo.cfg
	FileLimit  uint64            // the largest size of a file (RLIMIT_FSIZE); 0 means no limit
}

// childMain runs a server until stdin ends or says "stop", or the server fails. It answers
// "goroutines" with their number.
func childMain(text string) int {
	var opt childOptions
	err := json.Unmarshal([]byte(text), &opt)
	if err == nil && opt.FileLimit != 0 {
		err = limitFiles(opt.FileLimit)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	e, err := localserver.Start(context.Background(), localserver.Options{DataDir: opt.Dir, Port: opt.Port, Properties: opt.Properties, Log: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	fmt.Println("ready")
	go func() {
		for m := e.Members()[0]; ; time.Sleep(time.Millisecond) {
			if err := m.Err(); err != nil {
				fmt.Println("failed: " + strings.ReplaceAll(err.Error(), "\n", " "))
				os.Exit(3)
			}
		}
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "goroutines":
			runtime.GC()
			fmt.Println(runtime.NumGoroutine())
		case "stacks":
			buf := make([]byte, 1<<20)
			os.Stderr.Write(buf[:runtime.Stack(buf, true)])
			fmt.Println("done")
		case "stop":
			if err := e.Close(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			return 0
		}
	}
	return 0
}

// child is a server in a separate process.
type child struct {
	t    testing.TB
	opt  childOptions
	addr string
	log  sharedio.Buffer // of all runs

	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Scanner
}

// startChild starts a server that ends with the test.
func startChild(t testing.TB, opt childOptions) *child {
	t.Helper()
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	if opt.Port == 0 {
		opt.Port = freePort(t)
	}
	c := &child{t: t, opt: opt, log: sharedio.Buffer{Keep: 4 << 20}, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(opt.Port))}
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("the server's log ends:\n%s", c.log.Tail(80))
		}
	})
	c.start()
	return c
}

// start starts the server and waits until it serves.
func (c *child) start() {
	c.t.Helper()
	if err := c.launch(); err != nil {
		c.t.Fatalf("the server does not start: %v\n%s", err, c.log.Tail(40))
	}
}

func (c *child) launch() error {
	text, err := json.Marshal(c.opt)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	c.cmd = exec.Command(exe)
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	c.cmd.Stderr = &c.log
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.out = bufio.NewScanner(stdout)
	if c.out.Scan() && c.out.Text() == "ready" {
		return nil
	}
	return fmt.Errorf("it said %q and ended: %v", c.out.Text(), c.cmd.Wait())
}

// ask sends a command and returns the line of the answer.
func (c *child) ask(command string) string {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.stdin, command); err != nil {
		c.t.Fatal(err)
	}
	if !c.out.Scan() {
		c.t.Fatalf("the server has ended: %v", c.cmd.Wait())
	}
	return c.out.Text()
}

func (c *child) goroutines() int {
	c.t.Helper()
	n, err := strconv.Atoi(c.ask("goroutines"))
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// kill ends the process as kill -9 does.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

// rss returns the process's resident memory in bytes, or 0 if it is unknown.
func (c *child) rss() int64 { return c.memory("VmRSS:") }

// peak returns the largest since resetPeak.
func (c *child) peak() int64 { return c.memory("VmHWM:") }

func (c *child) resetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", c.cmd.Process.Pid), []byte("5"), 0)
}

func (c *child) memory(field string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, text, found := bytes.Cut(text, []byte(field))
	if !found {
		return 0
	}
	var kib int64
	_, _ = fmt.Sscan(string(text), &kib)
	return kib << 10
}

// freePort looks below the range from which systems take the ports of outgoing connections,
// so that the port is free when the server comes back.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// patience limits every wait for the network.
const patience = 30 * time.Second
