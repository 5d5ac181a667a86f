package cmd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/ui"
)

// TestErrorsKeepSecrets: whatever is misspelt next to a credential, the error does not repeat the
// credential.
func TestErrorsKeepSecrets(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, line := range []string{
		"-atuh digest:u:s3cret ls /",
		"--atuh digest:u:s3cret ls /",
		"-auth-fiel=digest:u:s3cret ls /",
		"--auth-fiel=digest:u:s3cret ls /",
		"-autdigest:u:s3cret ls /",
		"-outh digest:u:s3cret ls /",
		"-tls digest:u:s3cret",
		"-yauth digest:u:s3cret ls /",
		"--tls-keystore-passwrd=s3cret ls /",
		"-tls-keystore-passwrd s3cret=x ls /",
		"addauth digest u s3cret",
		"addauth digest u:x s3cret",
		"addauth --digest=u:s3cret",
		"addauth -y=s3cret digest u:x",
		"create -auth=digest:u:s3cret /x",
		"-auth s3cret ls /",
		"local start -auth=digest:u:s3cret",
		"local start --propety=superDigest=s3cret",
		"txnlog dump --auth=digest:u:s3cret",
		"server --auth=digest:u:s3cret start",
	} {
		for _, format := range []string{"", "-o json "} {
			var out, errs bytes.Buffer
			s := &ui.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Width: 80}
			exit := Execute(context.Background(), append(strings.Fields(format+"-server 127.0.0.1:1"), strings.Fields(line)...), s)
			if all := out.String() + errs.String(); exit == 0 || strings.Contains(all, "s3cret") {
				t.Errorf("%s%s: exit code %d: %s", format, line, exit, all)
			}
		}
	}
}

// TestSharedSecretsAreReported: a warning is printed for a file with a secret that others can read,
// whatever it was named for.
func TestSharedSecretsAreReported(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes here")
	}
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for option, path := range map[string]string{
		"-auth-file":                    file("auth", "digest:u:p\n"),
		"-tls-keystore-password-file":   file("key", "p\n"),
		"-tls-truststore-password-file": file("trust", "p\n"),
		"-client-configuration":         file("client", "zookeeper.ssl.keyStore.location=x\nzookeeper.ssl.keyStore.password=p\n"),
		"-config":                       file("config", "default-profile: ours\nprofiles: {ours: {auth: 'digest:u:p'}}\n"),
	} {
		var errs bytes.Buffer
		s := &ui.Streams{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &errs, Width: 80}
		Execute(context.Background(), []string{"-server", "127.0.0.1:1", option, path, "ls", "/"}, s)
		if want := fmt.Sprintf("warning: %s holds a secret", path); strings.Count(errs.String(), want) != 1 {
			t.Errorf("%s: %s", option, errs.String())
		}
	}
}
