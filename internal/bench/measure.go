package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/ui"
)

// measureArg makes bench run the command that follows and report on it. That takes a separate
// process because a child inherits its parent's peak memory, and the bench itself has grown by
// filling trees.
const measureArg = "-measure-child"

// result is one run of a command.
type result struct {
	wall   time.Duration
	memory int64 // peak resident set, bytes
	exit   int
	stdout string // its digest
	lines  int
	stderr string // its end
}

// childReport is what the measuring process writes to its stderr.
type childReport struct {
	Wall   time.Duration
	Memory int64
	Exit   int
	Stderr string
}

// measureChild runs argv with its own stdout.
func measureChild(argv []string) int {
	var stderr bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	report := childReport{Wall: time.Since(start), Stderr: tail(stderr.String())}
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	report.Exit = cmd.ProcessState.ExitCode()
	report.Memory = peakMemory(cmd.ProcessState)
	if err := ui.PrintJSON(os.Stderr, report); err != nil {
		return 1
	}
	return 0
}

// measure runs a command through measureChild, with stdout to a file. digest extracts the part of
// the output that counts; nil means zkCli's, without its connection messages.
func measure(ctx context.Context, argv, env []string, digest func([]byte) string) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	out, err := os.CreateTemp("", "zkctl-bench-out-")
	if err != nil {
		return result{}, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, self, append([]string{measureArg}, argv...)...)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = out, &stderr
	if err := cmd.Run(); err != nil {
		return result{}, fmt.Errorf("run %s: %w: %s", argv[0], err, stderr.String())
	}
	var r childReport
	if err := json.Unmarshal(stderr.Bytes(), &r); err != nil {
		return result{}, fmt.Errorf("run %s: %w", argv[0], err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		return result{}, err
	}
	if digest == nil {
		text, digest = []byte(apache.WithoutChatter(string(text))), wholeDigest
	}
	return result{
		wall: r.Wall, memory: r.Memory, exit: r.Exit, stderr: r.Stderr,
		stdout: digest(text), lines: bytes.Count(text, []byte("\n")),
	}, nil
}

func wholeDigest(text []byte) string {
	sum := sha256.Sum256(text)
	return string(sum[:])
}

func tail(s string) string {
	if len(s) > 2000 {
		s = s[len(s)-2000:]
	}
	return s
}

// median returns the medians of time and of memory, each separately.
func median(results []result) result {
	var walls []time.Duration
	var memory []int64
	for _, r := range results {
		walls = append(walls, r.wall)
		memory = append(memory, r.memory)
	}
	slices.Sort(walls)
	slices.Sort(memory)
	r := results[0]
	r.wall, r.memory = walls[len(walls)/2], memory[len(memory)/2]
	return r
}
