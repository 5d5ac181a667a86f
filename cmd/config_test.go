package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/ui"
)

const sampleConfig = `default-profile: dev
profiles:
  dev:
    server: dev:2181
    timeout: 5s
  prod:
    server: zk1:2281,zk2:2281/app
    timeout: 10000
    tls: true
    tls-truststore: ca.pem
    auth-file: [a.auth, b.auth]
    output: json
  empty:
`

func writeFile(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

// settled parses the options and completes them with the config file.
func settled(t *testing.T, config string, args ...string) (*options, string, error) {
	t.Helper()
	var o options
	flags := o.flags()
	line, err := splitArgs(flags, append([]string{"-config", config}, args...))
	if err != nil {
		t.Fatal(err)
	}
	if err := flags.Parse(line.options); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	err = o.settle(flags, &ui.Streams{Err: &stderr})
	return &o, stderr.String(), err
}

func TestPrecedence(t *testing.T) {
	config := writeFile(t, "config.yaml", sampleConfig, 0o600)
	for name, tc := range map[string]struct {
		env  map[string]string
		args []string
		want options
	}{
		"default profile":       {nil, nil, options{Server: "dev:2181", Timeout: millis(5 * time.Second), Output: "text"}},
		"named profile":         {nil, []string{"-profile", "prod"}, options{Server: "zk1:2281,zk2:2281/app", Timeout: millis(10 * time.Second), Output: "json"}},
		"empty profile":         {nil, []string{"-profile", "empty"}, options{Server: "localhost:2181", Timeout: millis(30 * time.Second), Output: "text"}},
		"environment's profile": {map[string]string{"ZKCTL_PROFILE": "prod"}, nil, options{Server: "zk1:2281,zk2:2281/app", Timeout: millis(10 * time.Second), Output: "json"}},
		"environment over profile": {map[string]string{"ZKCTL_SERVER": "env:1", "ZKCTL_OUTPUT": "json"}, nil,
			options{Server: "env:1", Timeout: millis(5 * time.Second), Output: "json"}},
		"flag over environment": {map[string]string{"ZKCTL_SERVER": "env:1", "ZKCTL_TIMEOUT": "7"}, []string{"-server", "flag:1"},
			options{Server: "flag:1", Timeout: millis(7 * time.Millisecond), Output: "text"}},
		"flag over environment's profile": {map[string]string{"ZKCTL_PROFILE": "prod"}, []string{"-profile", "dev"},
			options{Server: "dev:2181", Timeout: millis(5 * time.Second), Output: "text"}},
		"flag equal to the default": {map[string]string{"ZKCTL_TIMEOUT": "7"}, []string{"-timeout", "30000"},
			options{Server: "dev:2181", Timeout: millis(30 * time.Second), Output: "text"}},
		"empty variable": {map[string]string{"ZKCTL_SERVER": ""}, nil, options{Server: "dev:2181", Timeout: millis(5 * time.Second), Output: "text"}},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			o, _, err := settled(t, config, tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			if o.Server != tc.want.Server || o.Timeout != tc.want.Timeout || o.Output != tc.want.Output {
				t.Errorf("got %s, %v, %s; want %s, %v, %s", o.Server, time.Duration(o.Timeout), o.Output,
					tc.want.Server, time.Duration(tc.want.Timeout), tc.want.Output)
			}
		})
	}
}

func TestProfilePathsAndLists(t *testing.T) {
	config := writeFile(t, "config.yaml", sampleConfig, 0o600)
	dir := filepath.Dir(config)
	o, _, err := settled(t, config, "-profile", "prod")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(dir, "a.auth"), filepath.Join(dir, "b.auth")}; !reflect.DeepEqual(o.AuthFile, want) {
		t.Errorf("auth-file is %q, want %q", o.AuthFile, want)
	}
	if want := filepath.Join(dir, "ca.pem"); o.TLS.TrustStore != want || !o.TLS.On {
		t.Errorf("trust store %q, tls %v; want %q", o.TLS.TrustStore, o.TLS.On, want)
	}
	t.Setenv("ZKCTL_AUTH_FILE", "x\ny")
	if o, _, err = settled(t, config, "-profile", "prod"); err != nil || !reflect.DeepEqual(o.AuthFile, []string{"x", "y"}) {
		t.Errorf("from the environment: %q, %v", o.AuthFile, err)
	}
}

func TestConfigFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		text, profile, want string
	}{
		"unknown key":         {"profiles:\n  pr:\n    servr: x\n", "pr", `line 3: unknown key "servr"; did you mean server?`},
		"unlike any key":      {"profiles:\n  pr:\n    quux: x\n", "pr", `line 3: unknown key "quux"; the keys of a profile are the long options`},
		"unknown key at top":  {"\nprofils: x\n", "", `line 2: unknown key "profils"; did you mean profiles?`},
		"unlike any at top":   {"\nquux: x\n", "", `line 2: unknown key "quux"; use one of default-profile, profiles`},
		"flag that is no key": {"profiles:\n  pr:\n    keep-going: true\n", "pr", `line 3: unknown key "keep-going"`},
		"tab":                 {"profiles:\n\tp: {}\n", "pr", `line 2: YAML allows only spaces before a key`},
		"tab after spaces":    {"profiles:\n  pr:\n  \tserver: x\n", "pr", `line 3: YAML allows only spaces before a key`},
		"mistyped profile":    {"profiles:\n  prod: {}\n  dev: {}\n", "prdo", `has dev, prod; did you mean prod?`},
		"no such profile":     {sampleConfig, "q", `no profile "q": `},
		"names the profiles":  {sampleConfig, "q", " has dev, empty, prod"},
		"no such default":     {"default-profile: x\n", "", `no profile "x"`},
		"bad time":            {"profiles:\n  pr:\n    timeout: soon\n", "pr", `line 3: timeout: invalid value "soon"; use milliseconds`},
		"bad truth":           {"profiles:\n  pr:\n    tls: maybe\n", "pr", `line 3: tls: invalid value "maybe"; use true or false`},
		"bad size":            {"profiles:\n  pr:\n    jute-maxbuffer: 0\n", "pr", `line 3: jute-maxbuffer: invalid value "0"; use 1 to 2147483647 bytes`},
		"list for one value":  {"profiles:\n  pr:\n    server: [a, b]\n", "pr", "line 3: server needs a single value"},
		"no map":              {"profiles: x\n", "", "line 1: profiles must be a map"},
		"twice":               {"profiles:\n  pr:\n    server: a\n    server: b\n", "pr", `line 4: duplicate key "server"`},
		"no YAML":             {"profiles: [\n", "", "line 1: "},
		"bad format":          {"profiles:\n  pr:\n    output: xml\n", "pr", `unknown output format "xml"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := settled(t, writeFile(t, "config.yaml", tc.text, 0o600), "-profile", tc.profile)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want …%s…", err, tc.want)
			}
		})
	}
	if _, _, err := settled(t, filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a missing file that was named: %v", err)
	}
	if _, _, err := settled(t, writeFile(t, "empty.yaml", "", 0o600)); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestEnvironmentFaults(t *testing.T) {
	config := writeFile(t, "config.yaml", "", 0o600)
	for name, tc := range map[string]struct{ variable, value, want string }{
		"time":  {"ZKCTL_TIMEOUT", "-5", `environment ZKCTL_TIMEOUT: invalid value "-5"; use 1 to 2147483647 milliseconds`},
		"truth": {"ZKCTL_READONLY", "2", `environment ZKCTL_READONLY: invalid value "2"; use true or false`},
		"color": {"ZKCTL_COLOR", "blue", `--color: invalid value "blue"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(tc.variable, tc.value)
			if _, _, err := settled(t, config); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestSharedSecretIsWarnedOf(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	for name, tc := range map[string]struct {
		text string
		mode os.FileMode
		warn bool
	}{
		"secret, private":  {"profiles:\n  pr:\n    auth: digest:a:b\n", 0o600, false},
		"secret, shared":   {"profiles:\n  pr:\n    auth: digest:a:b\n", 0o644, true},
		"password, shared": {"profiles:\n  pr:\n    tls-keystore-password: b\n", 0o640, true},
		"no secret":        {"profiles:\n  pr:\n    server: b\n", 0o644, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr, err := settled(t, writeFile(t, "config.yaml", tc.text, tc.mode), "-profile", "pr")
			if err != nil {
				t.Fatal(err)
			}
			if warned := strings.Contains(stderr, "chmod 600"); warned != tc.warn {
				t.Errorf("stderr is %q", stderr)
			}
		})
	}
}

func TestAuthFile(t *testing.T) {
	streams := &ui.Streams{Err: &bytes.Buffer{}}
	file := writeFile(t, "auth", "# mine\n\ndigest:bob:p:w \r\nfoo:\n", 0o600)
	list, err := readAuthFile(streams, file)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Scheme != "digest" || string(list[0].Data) != "bob:p:w " || list[1].Scheme != "foo" || len(list[1].Data) != 0 {
		t.Errorf("got %q", list)
	}
	_, err = readAuthFile(streams, writeFile(t, "auth", "\nsecret\n", 0o600))
	if err == nil || !strings.Contains(err.Error(), "line 2: invalid identity; use scheme:data") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// A profile's key, an environment variable and a flag share one name.
func TestEveryOptionHasItsVariable(t *testing.T) {
	var o options
	flags := o.flags()
	if got := envName(flags.Lookup("tls-keystore-password-file")); got != "ZKCTL_TLS_KEYSTORE_PASSWORD_FILE" {
		t.Errorf("got %s", got)
	}
	for _, name := range []string{"file", "help", "version", "keep-going"} {
		if f := flags.Lookup(name); envName(f) != "" || profileKey(f) != "" {
			t.Errorf("%s can be set outside the command line", name)
		}
	}
	if f := flags.Lookup("profile"); envName(f) == "" || profileKey(f) != "" {
		t.Error("profile belongs to the environment, not to a profile")
	}
}
