package cmd

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/sasl"
	"github.com/zkctl/zkctl/internal/sasl/login"
	"github.com/zkctl/zkctl/internal/ui"
)

// TestSASL authenticates with options, environment, profile, property file and what zkCli.sh gives its JVM.
func TestSASL(t *testing.T) {
	apachetest.Require(t)
	server := writeFile(t, "server.conf", `Server {
	org.apache.zookeeper.server.auth.DigestLoginModule required user_bob="s3cret pa$$";
};`, 0o600)
	s := apachetest.Test(t, apache.Options{JVM: []string{"-Djava.security.auth.login.config=" + server,
		"-Dzookeeper.authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
		"-Dzookeeper.sessionRequireClientSASLAuth=true"}})
	plain := apachetest.Shared(t)

	module := "\norg.apache.zookeeper.server.auth.DigestLoginModule required username=\"bob\" password=\"s3cret pa$$\";\n"
	jaas := writeFile(t, "client.conf", "Client {"+module+"};\nOther {"+strings.ReplaceAll(module, "s3cret", "wr0ng")+"};\n", 0o600)
	home := t.TempDir()
	t.Setenv("HOME", home)
	files := map[string]string{
		"EMPTY": writeFile(t, "empty.yaml", "", 0o600), "SERVER": s.Addr(), "PLAIN": plain.Addr(), "JAAS": jaas, "JAAS:Other": jaas + ":Other", "JAAS:None": jaas + ":None",
		"PASSWORD": writeFile(t, "password", "s3cret pa$$\r\nnot this\n", 0o600), "WRONG": writeFile(t, "wrong", "wr0ng\n", 0o600),
		"NOTHING":    writeFile(t, "nothing", "\n", 0o600),
		"BROKEN":     writeFile(t, "broken.conf", "Client {\n a.DigestLoginModule required username=bob password=\"s3cret\n};", 0o600),
		"ONLYSERVER": server, "ONLYSERVER:Server": server + ":Server",
		"PROPERTIES": writeFile(t, "client.properties", "zookeeper.sasl.clientconfig=Other\n", 0o600),
		"OFF":        writeFile(t, "off.properties", "zookeeper.sasl.client=false\n", 0o600),
	}
	files["PROFILE"] = writeFile(t, "config.yaml", "default-profile: ours\nprofiles:\n  ours:\n    server: "+s.Addr()+"\n    sasl-user: bob\n    sasl-password-file: "+files["PASSWORD"]+"\n", 0o600)
	jvm := func(flags string) map[string]string {
		return map[string]string{"CLIENT_JVMFLAGS": "-Xmx64m " + flags}
	}
	config := "-Djava.security.auth.login.config="
	const demanded, refused = "the server demands authentication", `the server refused the SASL identity "bob" (DIGEST-MD5)`
	for name, tc := range map[string]struct {
		args string
		env  map[string]string
		want string // on stderr; "" for success with nothing there
		exit int
	}{
		"options":                  {"-config EMPTY -server SERVER -sasl-user bob -sasl-password-file PASSWORD", nil, "", 0},
		"the mechanism":            {"-config EMPTY -server SERVER -sasl digest-md5 -sasl-user bob -sasl-password-file PASSWORD", nil, "", 0},
		"environment":              {"-config EMPTY -server SERVER", map[string]string{"ZKCTL_SASL_USER": "bob", "ZKCTL_SASL_PASSWORD_FILE": files["PASSWORD"]}, "", 0},
		"profile":                  {"-config PROFILE", nil, "", 0},
		"a JAAS file":              {"-config EMPTY -server SERVER -jaas JAAS", nil, "", 0},
		"CLIENT_JVMFLAGS":          {"-config EMPTY -server SERVER", jvm(config + jaas), "", 0},
		"as a URL":                 {"-config EMPTY -server SERVER", jvm(config + "file:" + jaas), "", 0},
		"JVMFLAGS":                 {"-config EMPTY -server SERVER", map[string]string{"JVMFLAGS": config + jaas}, "", 0},
		"another section":          {"-config EMPTY -server SERVER -jaas JAAS:Other", nil, refused, 1},
		"a section of flags":       {"-config EMPTY -server SERVER", jvm(config + jaas + " -Dzookeeper.sasl.clientconfig=Other"), refused, 1},
		"a section of the file":    {"-config EMPTY -server SERVER -client-configuration PROPERTIES", jvm(config + jaas), refused, 1},
		"options over flags":       {"-config EMPTY -server SERVER -sasl-user bob -sasl-password-file PASSWORD", jvm(config + jaas + " -Dzookeeper.sasl.clientconfig=Other"), "", 0},
		"wrong password":           {"-config EMPTY -server SERVER -sasl-user bob -sasl-password-file WRONG", nil, refused, 1},
		"nothing":                  {"-config EMPTY -server SERVER", nil, demanded, 1},
		"off":                      {"-config EMPTY -server SERVER -sasl off", jvm(config + jaas), demanded, 1},
		"off in flags":             {"-config EMPTY -server SERVER", jvm(config + jaas + " -Dzookeeper.sasl.client=false"), demanded, 1},
		"off in the file":          {"-config EMPTY -server SERVER -client-configuration OFF", jvm(config + jaas), demanded, 1},
		"on over off":              {"-config EMPTY -server SERVER -client-configuration OFF -jaas JAAS", nil, "", 0},
		"a server without SASL":    {"-config EMPTY -server PLAIN -jaas JAAS", nil, `warning: ` + plain.Addr() + ` has no SASL, so this session is not authenticated as "bob"`, 0},
		"a file of servers":        {"-config EMPTY -server PLAIN", jvm(config + server), `no section "Client"; it has Server; the session is not authenticated`, 0},
		"no section":               {"-config EMPTY -server SERVER -jaas JAAS:None", nil, `no section "None"; it has Client, Other`, 1},
		"no file":                  {"-config EMPTY -server SERVER -jaas none", nil, "SASL: JAAS file: open none: no such file", 1},
		"a broken file":            {"-config EMPTY -server SERVER -jaas BROKEN", nil, "line 2: the closing double quote is missing", 1},
		"a section for servers":    {"-config EMPTY -server SERVER -jaas ONLYSERVER:Server", nil, "DigestLoginModule has no username", 1},
		"no password":              {"-config EMPTY -server SERVER -sasl-user bob", nil, "-sasl-user needs a password; use -sasl-password-file", 1},
		"an empty password":        {"-config EMPTY -server SERVER -sasl-user bob -sasl-password-file NOTHING", nil, "is empty", 1},
		"no user":                  {"-config EMPTY -server SERVER -sasl-password-file PASSWORD", nil, "has no effect without -sasl-user or -principal", 1},
		"no identity":              {"-config EMPTY -server SERVER -sasl digest-md5", nil, "needs an identity", 1},
		"two identities":           {"-config EMPTY -server SERVER -sasl-user bob -principal joe", nil, "use one of the two", 1},
		"two sources":              {"-config EMPTY -server SERVER -jaas JAAS -sasl-user bob", nil, "use one of the two", 1},
		"options over a profile":   {"-config PROFILE -jaas JAAS:Other", nil, refused, 1},
		"options over variables":   {"-config EMPTY -server SERVER -sasl-user bob -sasl-password-file PASSWORD", map[string]string{"ZKCTL_JAAS": jaas + ":Other", "ZKCTL_PRINCIPAL": "joe"}, "", 0},
		"variables over a profile": {"-config PROFILE", map[string]string{"ZKCTL_JAAS": jaas + ":Other"}, refused, 1},
		"another's password":       {"-config PROFILE -principal joe@NONE -krb5-conf none", nil, "the configuration of Kerberos is missing", 1},
		"another mechanism":        {"-config EMPTY -server SERVER -sasl gssapi -sasl-user bob", nil, "use -principal", 1},
		"no mechanism":             {"-config EMPTY -server SERVER -sasl plain", nil, `-sasl: invalid value "plain"; use auto, digest-md5, gssapi, off`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			args := strings.Fields("-v " + tc.args + " ls /")
			if tc.want == "" || tc.exit == 0 {
				args = args[1:]
			}
			for i, a := range args {
				if v, ok := files[a]; ok {
					args[i] = v
				}
			}
			var stdout, stderr bytes.Buffer
			exit := Execute(t.Context(), args, &ui.Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
			if exit != tc.exit || !strings.Contains(stderr.String(), tc.want) || tc.want == "" && stderr.Len() > 0 || exit == 0 && !strings.Contains(stdout.String(), "zookeeper]") {
				t.Errorf("exit code %d, stdout %q, stderr %q, want %q", exit, stdout.String(), stderr.String(), tc.want)
			}
			if strings.Contains(stderr.String(), "s3cret") || strings.Contains(stderr.String(), "wr0ng") {
				t.Errorf("stderr reveals the password: %q", stderr.String())
			}
		})
	}

	t.Run("a login of a local server", func(t *testing.T) {
		o := saslOptions{Mode: "auto", User: "bob", PasswordFile: files["PASSWORD"]}
		settings := sasl.Settings{JAAS: jaas, Section: "Other", Asked: true}
		if err := o.override(pflag.NewFlagSet("", pflag.ContinueOnError), &settings); err != nil {
			t.Fatal(err)
		}
		if m, err := login.Choose(&settings, login.Reporter{}); err != nil || m.Identity() != `"bob"` || settings.JAAS != "" {
			t.Errorf("%v, %v, %+v", m, err, settings)
		}
	})

	t.Run("the default file", func(t *testing.T) {
		text, err := os.ReadFile(jaas)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(home+"/.java.login.config", text, 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		exit := Execute(t.Context(), []string{"-config", files["EMPTY"], "-server", s.Addr(), "whoami"}, &ui.Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
		if exit != 0 || !strings.Contains(stdout.String(), "sasl: bob\n") {
			t.Errorf("exit code %d, stdout %q, stderr %q", exit, stdout.String(), stderr.String())
		}
	})
}
