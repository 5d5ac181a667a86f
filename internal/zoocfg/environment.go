package zoocfg

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/lazyre"
)

// ParseSystemProperties finds the -Dname=value words among the flags of a JVM. It splits words as
// zkServer.sh's unquoted $JVMFLAGS does: only at white space, so a quotation mark is an ordinary
// character and a value cannot contain a space. If a name occurs twice, the last value wins.
// Anything other than -D is ignored.
func ParseSystemProperties(flags string) Properties {
	p := Properties{}
	for _, word := range strings.FieldsFunc(flags, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }) {
		if name, ok := strings.CutPrefix(word, "-D"); ok && name != "" {
			name, value, _ := strings.Cut(name, "=")
			p[name] = value
		}
	}
	return p
}

// Environment is what zkEnv.sh and zkServer.sh take from environment variables.
type Environment struct {
	// ConfigDir is where to look for zoo.cfg: ZOOCFGDIR, otherwise the first that exists of
	// $ZOOBINDIR/../conf, $ZOOBINDIR/../etc/zookeeper, $ZOOKEEPER_HOME/conf, /etc/zookeeper/conf,
	// /etc/zookeeper.
	ConfigDir string
	// ConfigName is ZOOCFG, by default zoo.cfg; relative to ConfigDir.
	ConfigName string
	// LogDir is ZOO_LOG_DIR, or $ZOOBINDIR/../logs if ZOOBINDIR is set; otherwise empty.
	LogDir string
	// LogFile is ZOO_LOG_FILE, by default zookeeper-USER-server-HOST.log; relative to LogDir.
	LogFile string
	// PIDFile is ZOOPIDFILE; if empty, see PIDFileFor.
	PIDFile string
	// JVMFlags is SERVER_JVMFLAGS followed by JVMFLAGS.
	JVMFlags string
	// System holds the properties in JVMFlags, preceded by datadir.autocreate=false if
	// ZOO_DATADIR_AUTOCREATE_DISABLE is set.
	System Properties
	// AutoCreateDisabled is ZOO_DATADIR_AUTOCREATE_DISABLE: not even the pid file's folder may be
	// created.
	AutoCreateDisabled bool
	// Client holds the system properties of a client: those of CLIENT_JVMFLAGS followed by
	// JVMFLAGS (zkCli.sh, and zkServer.sh status).
	Client Properties

	outFile string
	heap    string // ZK_SERVER_HEAP, in MB
	logger  string // ZOO_LOG4J_PROP
}

// FromEnvironment reads the variables through lookup (os.LookupEnv). confDir is zkServer.sh's
// --config, or empty. From zookeeper-env.sh and java.env in the configuration folder it reads
// plain assignments; other lines cause warnings, because no shell runs here.
func FromEnvironment(lookup func(string) (string, bool), confDir string) (Environment, []Warning) {
	vars := shellVars{lookup: lookup, set: map[string]string{}}
	if confDir != "" {
		vars.set["ZOOCFGDIR"] = confDir
	}
	e := Environment{ConfigDir: configDir(&vars)}
	vars.set["ZOOCFGDIR"] = e.ConfigDir
	vars.source(filepath.Join(e.ConfigDir, "zookeeper-env.sh"))
	e.ConfigDir = vars.get("ZOOCFGDIR")
	if e.ConfigName = vars.get("ZOOCFG"); e.ConfigName == "" {
		e.ConfigName = "zoo.cfg"
	}
	vars.source(filepath.Join(e.ConfigDir, "java.env"))
	if e.LogDir = vars.get("ZOO_LOG_DIR"); e.LogDir == "" {
		if bin := vars.get("ZOOBINDIR"); bin != "" {
			e.LogDir = filepath.Join(bin, "..", "logs")
		}
	}
	host := vars.get("HOSTNAME") // bash sets this variable without exporting it
	if host == "" {
		host, _ = os.Hostname()
	}
	base := "zookeeper-" + vars.get("USER") + "-server-" + host
	e.outFile = base + ".out"
	if e.LogFile = vars.get("ZOO_LOG_FILE"); e.LogFile == "" {
		e.LogFile = base + ".log"
	}
	e.PIDFile = vars.get("ZOOPIDFILE")
	e.JVMFlags = strings.TrimSpace(vars.get("SERVER_JVMFLAGS") + " " + vars.get("JVMFLAGS"))
	flags := e.JVMFlags
	if vars.get("ZOO_DATADIR_AUTOCREATE_DISABLE") != "" {
		e.AutoCreateDisabled = true
		flags = "-Dzookeeper.datadir.autocreate=false " + flags
	}
	e.heap, e.logger = vars.get("ZK_SERVER_HEAP"), vars.get("ZOO_LOG4J_PROP")
	e.System = ParseSystemProperties(flags)
	e.Client = ParseSystemProperties(vars.get("CLIENT_JVMFLAGS") + " " + vars.get("JVMFLAGS"))
	return e, vars.warnings
}

// JVM returns the options with which zkServer.sh runs a server: heap, log, SERVER_JVMFLAGS and JVMFLAGS. fallback is the
// folder of the log if there is no LogDir.
func (e Environment) JVM(fallback string) []string {
	options := []string{
		"-Dzookeeper.log.dir=" + cmp.Or(e.LogDir, fallback), "-Dzookeeper.log.file=" + e.LogFile,
		"-Dzookeeper.root.logger=" + cmp.Or(e.logger, "INFO,CONSOLE"), "-Xmx" + cmp.Or(e.heap, "1000") + "m",
	}
	if e.AutoCreateDisabled {
		options = append(options, "-Dzookeeper.datadir.autocreate=false")
	}
	return append(options, strings.Fields(e.JVMFlags)...)
}

// ClientProperties returns the system properties that zkCli.sh passes to its JVM. The java.env of
// an installation, which may set them, is read only if a variable says where the installation is:
// a client of many servers should not adopt what a configuration in /etc says about one of them.
// The warnings are about its lines that concern these flags but could not be read.
//
// Differs(client-flags): zkCli.sh always reads the java.env of its own installation.
func ClientProperties(lookup func(string) (string, bool)) (Properties, []Warning) {
	for _, name := range []string{"ZOOCFGDIR", "ZOOBINDIR", "ZOOKEEPER_HOME"} {
		if dir, _ := lookup(name); dir != "" {
			e, warnings := FromEnvironment(lookup, "")
			return e.Client, slices.DeleteFunc(warnings, func(w Warning) bool { return !w.aboutClient })
		}
	}
	flags, _ := lookup("CLIENT_JVMFLAGS")
	more, _ := lookup("JVMFLAGS")
	return ParseSystemProperties(flags + " " + more), nil
}

// clientFlags finds lines of a shell script that set flags of a client's JVM.
var clientFlags = lazyre.New(`\b(CLIENT_)?JVMFLAGS\b`)

func configDir(vars *shellVars) string {
	if dir := vars.get("ZOOCFGDIR"); dir != "" {
		return dir
	}
	var choices []string
	if bin := vars.get("ZOOBINDIR"); bin != "" {
		choices = append(choices, filepath.Join(bin, "..", "conf"), filepath.Join(bin, "..", "etc", "zookeeper"))
	}
	if home := vars.get("ZOOKEEPER_HOME"); home != "" {
		choices = append(choices, filepath.Join(home, "conf"))
	}
	choices = append(choices, "/etc/zookeeper/conf")
	for _, dir := range choices {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return "/etc/zookeeper"
}

// ConfigFile returns the zoo.cfg that zkServer.sh uses with this argument: a bare name is in
// ConfigDir, a path is used as it is, and without an argument it is ConfigName. (The script fails
// on an absolute ZOOCFG, which Debian sets; here it works.)
func (e Environment) ConfigFile(arg string) string {
	if arg == "" {
		arg = e.ConfigName
		if filepath.IsAbs(arg) {
			return arg
		}
		return filepath.Join(e.ConfigDir, arg)
	}
	if filepath.Base(arg) != arg {
		return arg
	}
	return filepath.Join(e.ConfigDir, arg)
}

// PIDFileFor returns where to keep the pid of a server with that data directory: ZOOPIDFILE or
// dataDir/zookeeper_server.pid.
func (e Environment) PIDFileFor(dataDir string) string {
	if e.PIDFile != "" {
		return e.PIDFile
	}
	return filepath.Join(dataDir, "zookeeper_server.pid")
}

// OutFile returns where zkServer.sh start sends stdout and stderr: in LogDir, or in fallback if
// there is none.
func (e Environment) OutFile(fallback string) string {
	dir := e.LogDir
	if dir == "" {
		dir = fallback
	}
	return filepath.Join(dir, e.outFile)
}

// shellVars are environment variables, overridden by the assignments in sourced files.
type shellVars struct {
	lookup   func(string) (string, bool)
	set      map[string]string
	warnings []Warning
}

func (v *shellVars) get(name string) string {
	if value, ok := v.set[name]; ok {
		return value
	}
	value, _ := v.lookup(name)
	return value
}

// source reads "[export ]NAME=word" lines, with quotes, $NAME, ${NAME} and ${NAME:-word}. A
// missing file counts as empty.
func (v *shellVars) source(file string) {
	text, err := infile.Settings(file)
	if err != nil {
		if !os.IsNotExist(err) {
			v.warnings = append(v.warnings, Warning{File: file, Text: err.Error(), aboutClient: true})
		}
		return
	}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		assignment := strings.TrimSpace(strings.TrimPrefix(line, "export "))
		name, word, ok := strings.Cut(assignment, "=")
		if !ok && assignment != line && isShellName(assignment) {
			continue // export NAME
		}
		value, err := "", error(nil)
		if !ok || !isShellName(name) {
			err = fmt.Errorf("not an assignment")
		} else {
			value, err = v.expand(word)
		}
		if err != nil {
			v.warnings = append(v.warnings, Warning{File: file, Line: i + 1, aboutClient: clientFlags().MatchString(line),
				Text: fmt.Sprintf("line ignored (%v); only NAME=value is read, because no shell runs here", err)})
			continue
		}
		v.set[name] = value
	}
}

func isShellName(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// expand evaluates a shell word.
func (v *shellVars) expand(word string) (string, error) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(word); i++ {
		c := word[i]
		switch {
		case quote == '\'' && c != '\'':
			b.WriteByte(c)
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == '\\':
			if i++; i == len(word) {
				return "", fmt.Errorf("it continues on the next line")
			}
			if quote == '"' && !strings.ContainsRune("\"\\$`", rune(word[i])) {
				b.WriteByte('\\')
			}
			b.WriteByte(word[i])
		case c == '`':
			return "", fmt.Errorf("a command")
		case c == '$':
			value, length, err := v.variable(word[i:])
			if err != nil {
				return "", err
			}
			b.WriteString(value)
			i += length - 1
		case quote == 0 && (c == ' ' || c == '\t'):
			if rest := strings.TrimSpace(word[i:]); rest != "" && rest[0] != '#' {
				return "", fmt.Errorf("more than an assignment")
			}
			return b.String(), nil
		case quote == 0 && strings.IndexByte(";&|<>()", c) >= 0:
			return "", fmt.Errorf("more than an assignment")
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", fmt.Errorf("an unclosed quotation mark")
	}
	return b.String(), nil
}

// variable evaluates the $ at the start of s and returns how many bytes it consumed.
func (v *shellVars) variable(s string) (value string, length int, err error) {
	if rest, ok := strings.CutPrefix(s, "${"); ok {
		inside, _, ok := strings.Cut(rest, "}")
		name, fallback, hasFallback := strings.Cut(inside, ":-")
		if !ok || !isShellName(name) || strings.ContainsAny(fallback, "$`\"'\\") {
			return "", 0, fmt.Errorf("an expansion")
		}
		if value = v.get(name); value == "" && hasFallback {
			value = fallback
		}
		return value, len(inside) + 3, nil
	}
	end := 1
	for end < len(s) && isShellName(s[1:end+1]) {
		end++
	}
	if end == 1 {
		if len(s) > 1 && strings.IndexByte("(*@#?$!-0123456789{", s[1]) >= 0 {
			return "", 0, fmt.Errorf("an expansion")
		}
		return "$", 1, nil
	}
	return v.get(s[1:end]), end, nil
}
