package zoocfg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/infile"
)

// NextDynamicFile returns where a member keeps a configuration that is proposed but not
// committed: zoo.cfg.dynamic.next.
func NextDynamicFile(configFile string) string { return configFile + ".dynamic.next" }

// DynamicFileName returns where a committed configuration is kept: zoo.cfg.dynamic.100000003.
func DynamicFileName(configFile string, version int64) string {
	return configFile + ".dynamic." + strconv.FormatUint(uint64(version), 16)
}

// WriteDynamic writes a configuration as QuorumPeerConfig.writeDynamicConfig does: sorted lines,
// no line end after the last. The version is in the file only with keepVersion, as in the next
// file; otherwise the name has it. A crash leaves the old file or the new one.
func WriteDynamic(file string, v QuorumVerifier, keepVersion bool) error {
	var lines []string
	for _, line := range strings.Split(v.String(), "\n") {
		if keepVersion || !strings.HasPrefix(line, "version") {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	if err := atomicfile.Write(file, []byte(escapeLatin1(strings.Join(lines, "\n")))); err != nil {
		return fmt.Errorf("write dynamic configuration: %w", err)
	}
	return nil
}

// CommitVerifier does what a member does on disk when a configuration is committed
// (QuorumPeer.setQuorumVerifier): it writes zoo.cfg.dynamic.<version> and points zoo.cfg to it.
// self is this member's id.
func CommitVerifier(configFile string, v QuorumVerifier, self int64) error {
	dynamic := DynamicFileName(configFile, v.Version())
	if err := WriteDynamic(dynamic, v, false); err != nil {
		return err
	}
	m, ok := v.Member(self)
	return EditStatic(configFile, dynamic, ok && !m.Client.IsZero() && !m.ClientFromStatic)
}

// EditStatic removes everything about the ensemble from zoo.cfg (server., group, weight,
// dynamicConfigFile, peerType) and points it to dynamicFile, which must exist. With eraseClient
// it also removes clientPort… because the dynamic file has it. Unlike
// QuorumPeerConfig.editStaticConfig it keeps the comments, order and escapes of the rest.
func EditStatic(configFile, dynamicFile string, eraseClient bool) error {
	fail := func(err error) error { return fmt.Errorf("edit %s: %w", configFile, err) }
	text, err := infile.Regular(configFile)
	if err != nil {
		return fail(err)
	}
	target, err := filepath.EvalSymlinks(dynamicFile)
	if err == nil {
		target, err = filepath.Abs(target)
	}
	if err != nil {
		return fail(err)
	}
	var kept []byte
	err = scanProperties(text, false, func(l logicalLine) {
		if !l.isEntry || !leavesStatic(strings.TrimSpace(l.key), eraseClient) {
			kept = append(kept, text[l.start:l.end]...)
		}
	})
	if err != nil {
		return fail(err)
	}
	if len(kept) > 0 && kept[len(kept)-1] != '\n' {
		if trailingBackslashes(kept)%2 == 1 {
			kept = append(kept, '\n') // end the last line, if nothing continues it
		}
		kept = append(kept, '\n')
	}
	kept = append(kept, Property("dynamicConfigFile", filepath.ToSlash(target))...)
	if err := atomicfile.Write(configFile, kept); err != nil {
		return fail(err)
	}
	return nil
}

func leavesStatic(key string, eraseClient bool) bool {
	for _, prefix := range []string{"server.", "group", "weight", "dynamicConfigFile", "peerType"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return eraseClient && strings.HasPrefix(key, "clientPort")
}

// BackUp copies zoo.cfg to zoo.cfg.bak. Apache does that whenever a member with reconfigEnabled
// starts whose servers are still in zoo.cfg itself; see Config.WantsBackUp.
func BackUp(configFile string) error {
	text, err := infile.Regular(configFile)
	if err == nil {
		err = atomicfile.Write(configFile+".bak", text)
	}
	if err != nil {
		return fmt.Errorf("back up %s: %w", configFile, err)
	}
	return nil
}

// WantsBackUp reports whether a reconfiguration would change zoo.cfg for the first time.
func (c *Config) WantsBackUp() bool {
	return c.File != "" && c.DynamicFile == "" && c.Distributed() && c.ReconfigEnabled
}

// RemoveNext removes zoo.cfg.dynamic.next after its configuration was committed. It is not an
// error if the file does not exist.
func RemoveNext(configFile string) error {
	if err := os.Remove(NextDynamicFile(configFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Initialize reports whether an empty database may take part in a quorum: if db.autocreate is on,
// or if the file "initialize" is next to the logs' version-2 folder. It removes the file
// (FileTxnSnapLog.restore), so call it once, at the start.
func (c *Config) Initialize() (bool, error) {
	err := os.Remove(filepath.Join(c.DataLogDir, "initialize"))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return c.DBAutoCreate, nil
	}
	return false, fmt.Errorf("remove the initialize file: %w", err)
}

// WriteMyID writes dataDir/myid.
func WriteMyID(dataDir string, id int64) error {
	if err := atomicfile.Write(filepath.Join(dataDir, "myid"), []byte(strconv.FormatInt(id, 10)+"\n")); err != nil {
		return fmt.Errorf("write myid: %w", err)
	}
	return nil
}

// escapeLatin1 writes everything that is not ASCII as \uxxxx, for a property file.
func escapeLatin1(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteByte(byte(r))
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// Property returns a line of zoo.cfg that Load and Java read as this key, which consists of ASCII
// letters and dots, with this value, whatever it contains.
func Property(key, value string) string { return key + "=" + escapeValue(value) + "\n" }

// escapeValue escapes any string as the value of a property.
func escapeValue(s string) string {
	s = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`).Replace(s)
	if strings.HasPrefix(s, " ") {
		s = `\` + s
	}
	return escapeLatin1(s)
}
