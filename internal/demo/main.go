// Command demo opens the zkctl shell on a throw-away Apache ZooKeeper with a
// small tree in it. When the shell ends, the server and its files go.
//
//	go run ./internal/demo -zkctl bin/zkctl
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/tempdir"
)

// tree is run to its end; services in a session that lasts as long as the
// demonstration, because its znodes are ephemeral.
var (
	//go:embed tree.zk
	tree []byte
	//go:embed services.zk
	services string
)

const greeting = `
A private ZooKeeper runs on %s and stops when you exit. Try:

  ls -R /shop                      (Tab completes commands, options and paths)
  get /shop/config/checkout
  get -s /shop/services/checkout/10.0.0.11:8080
  get /shop/logo
  listquota /shop/queue
  get /private                     then: addauth digest demo:demo
  addWatch /shop                   then: set /shop hello
  help                             quit

`

func main() {
	zkctl := flag.String("zkctl", filepath.Join("bin", "zkctl"), "the zkctl `program` to show")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), hangUp...)
	defer stop()
	// Ctrl-C is for the shell. Ignoring it here would make the shell, which
	// inherits that, ignore it as well.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)

	err := run(ctx, *zkctl)
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed) && failed.Exited():
		os.Exit(failed.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

var hangUp = []os.Signal{syscall.SIGTERM, syscall.SIGHUP}

func run(ctx context.Context, zkctl string) error {
	zkctl, err := filepath.Abs(zkctl)
	if err != nil {
		return err
	}
	if _, err := os.Stat(zkctl); err != nil {
		return fmt.Errorf("%w (build it first: make build)", err)
	}
	in, err := apache.Find()
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "starting a ZooKeeper")
	server, err := in.Start(ctx, apache.Options{JVM: []string{"-Dzookeeper.extendedTypesEnabled=true"}})
	if err != nil {
		return err
	}
	defer server.Stop()

	if err := fill(ctx, zkctl, server.Addr()); err != nil {
		return err
	}
	leave, err := register(ctx, zkctl, server.Addr())
	if err != nil {
		return err
	}
	defer leave()

	fmt.Fprintf(os.Stderr, greeting, server.Addr())
	shell := command(ctx, zkctl, "-server", server.Addr())
	shell.Stdin, shell.Stdout = os.Stdin, os.Stdout
	return shell.Run()
}

// command prepares a run of zkctl that takes leave when ctx ends, so that it
// can restore the terminal.
func command(ctx context.Context, zkctl string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, zkctl, args...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

// fill writes the tree through zkctl itself, in a folder that holds the files
// which the script names.
func fill(ctx context.Context, zkctl, addr string) error {
	temp, err := tempdir.Make("demo")
	if err != nil {
		return err
	}
	defer temp.Remove()
	dir := temp.Path()
	for name, data := range map[string][]byte{"tree.zk": tree, "logo.png": logo()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	var said bytes.Buffer
	cmd := command(ctx, zkctl, "-server", addr, "-f", "tree.zk")
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		_, _ = os.Stderr.Write(said.Bytes())
		return fmt.Errorf("fill the tree: %w", err)
	}
	return nil
}

// register creates the ephemeral znodes in a session that lasts until the
// returned function is called.
func register(ctx context.Context, zkctl, addr string) (leave func(), err error) {
	cmd := command(ctx, zkctl, "-server", addr)
	cmd.Stderr = nil
	apache.Detach(cmd) // Ctrl-C in the shell is not for the services
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("register the services: %w", err)
	}
	leave = func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}
	if _, err := io.WriteString(stdin, services); err != nil {
		leave()
		return nil, fmt.Errorf("register the services: %w", err)
	}
	return leave, nil
}

// logo is some binary data that is worth a look.
func logo() []byte {
	img := image.NewPaletted(image.Rect(0, 0, 16, 16), color.Palette{color.White, color.RGBA{0x1b, 0x6e, 0x3c, 0xff}})
	for i := range 16 {
		img.SetColorIndex(i, 0, 1)
		img.SetColorIndex(15-i, i, 1)
		img.SetColorIndex(i, 15, 1)
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		panic(err) // a Buffer takes everything
	}
	return buf.Bytes()
}
