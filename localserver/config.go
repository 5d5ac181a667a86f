package localserver

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/magiconair/properties"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// defaults suit development and are not ZooKeeper's defaults; zoo_sample.cfg has the first three.
var defaults = map[string]string{
	"tickTime":               "2000",
	"initLimit":              "10",
	"syncLimit":              "5",
	"maxClientCnxns":         "0",
	"admin.enableServer":     "false",
	"4lw.commands.whitelist": "*",
	"extendedTypesEnabled":   "true",
}

// base returns the configuration that the members share.
func (o *Options) base() (map[string]string, error) {
	base := maps.Clone(defaults)
	if o.Config != "" {
		// It is read again at each start, and nobody may ever write to a FIFO.
		if info, err := os.Stat(o.Config); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("Error processing %s: it is not a regular file", o.Config)
		}
		text, err := infile.Settings(o.Config)
		if err != nil {
			return nil, fmt.Errorf("Error processing %s: %w", o.Config, err)
		}
		loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
		p, err := loader.LoadBytes(text)
		if err != nil {
			return nil, fmt.Errorf("Error processing %s: %w", o.Config, err)
		}
		for _, key := range p.Keys() {
			if isPlace(key) {
				if o.Log != nil {
					fmt.Fprintf(o.Log, "%s: %s: line ignored, because Size and Observers define the ensemble\n", o.Config, key)
				}
				continue
			}
			base[key] = strings.TrimSpace(p.GetString(key, ""))
		}
	}
	for key, value := range o.Properties {
		if isPlace(key) {
			return nil, fmt.Errorf("property %s: not allowed, because Size and Observers define the ensemble", key)
		}
		base[key] = value
	}
	if o.Emulate != "" {
		base[zoocfg.EmulateKey] = o.Emulate
	}
	return base, nil
}

// checkProperties refuses one of Properties that nobody knows. Apache's members may know more, and
// get it as a system property.
func (o *Options) checkProperties(base map[string]string) error {
	if o.Engine == Apache || o.Apache > 0 {
		return nil
	}
	cfg := maps.Clone(base)
	cfg["dataDir"], cfg["clientPort"] = "/nowhere", "1"
	_, warnings, err := zoocfg.Parse("zoo.cfg", cfgText(cfg), zoocfg.Properties(o.System))
	if err != nil {
		return nil // the start will say
	}
	for _, w := range warnings {
		if _, ours := o.Properties[w.Key]; ours && w.Unknown() {
			err := fmt.Errorf("unknown property %q", w.Key)
			if q := nearest.DidYouMean(w.Key, "", zoocfg.Names()); q != "" {
				err = fmt.Errorf("%w: %s", err, q)
			}
			return err
		}
	}
	return nil
}

// isPlace reports whether a key describes an ensemble.
func isPlace(key string) bool {
	return key == "dynamicConfigFile" || key == "peerType" || strings.HasPrefix(key, "server.") ||
		strings.HasPrefix(key, "group") || strings.HasPrefix(key, "weight")
}

// zooCfg returns a member's zoo.cfg, without the ensemble if dynamic names the file that has it.
func (e *Ensemble) zooCfg(m *Member, dynamic string) map[string]string {
	cfg := maps.Clone(e.base)
	delete(cfg, "clientPort")
	delete(cfg, "clientPortAddress")
	if m.dir != e.base["dataDir"] {
		delete(cfg, "dataLogDir") // belongs to the other one
	}
	switch {
	case m.home != "":
		cfg["dataDir"] = filepath.ToSlash(m.home)
	case m.dir != "":
		cfg["dataDir"] = filepath.ToSlash(m.dir)
	default:
		cfg["dataDir"] = "/nowhere" // required even for an ephemeral server
	}
	if e.identities != nil {
		maps.Copy(cfg, e.identities.settings(m))
	}
	if !e.distributed() {
		cfg["clientPort"] = strconv.Itoa(m.Port())
		cfg["clientPortAddress"] = m.at().client.Host
		return cfg
	}
	if cfg["reconfigEnabled"] == "" {
		cfg["reconfigEnabled"] = "true"
	}
	if dynamic != "" {
		cfg["dynamicConfigFile"] = filepath.ToSlash(dynamic)
		return cfg
	}
	if m.role == zoocfg.Observer {
		cfg["peerType"] = "observer"
	}
	for _, other := range e.Members() {
		cfg[fmt.Sprintf("server.%d", other.id)] = other.line()
	}
	return cfg
}

func cfgText(cfg map[string]string) []byte {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(cfg)) {
		text.WriteString(zoocfg.Property(key, cfg[key]))
	}
	return []byte(text.String())
}

// line returns the value of the member's server.N line.
func (m *Member) line() string {
	at := m.at()
	return zoocfg.Member{ID: m.id, Role: m.role, Addrs: []zoocfg.QuorumAddr{at.members}, Client: at.client}.String()
}

// config reads the member's configuration as its server will.
func (e *Ensemble) config(m *Member) (*zoocfg.Config, []zoocfg.Warning, error) {
	if m.home == "" {
		return zoocfg.Parse("zoo.cfg", cfgText(e.zooCfg(m, "")), zoocfg.Properties(e.opt.System))
	}
	if err := mkdirPrivate(m.home); err != nil {
		return nil, nil, err
	}
	if err := zoocfg.WriteMyID(m.home, m.id); err != nil {
		return nil, nil, err
	}
	if err := atomicfile.Write(filepath.Join(m.home, engineFile), []byte(m.engine+"\n")); err != nil {
		return nil, nil, fmt.Errorf("write the configuration: %w", err)
	}
	file := filepath.Join(m.home, "zoo.cfg")
	if !m.started {
		// What an earlier run of the ensemble has learnt about its members stays.
		dynamic := ""
		if _, err := os.Stat(file); err == nil {
			old, _, err := zoocfg.Load(file, zoocfg.Properties(e.opt.System))
			if err != nil {
				return nil, nil, err
			}
			dynamic = old.DynamicFile
		}
		if err := atomicfile.Write(file, cfgText(e.zooCfg(m, dynamic))); err != nil {
			return nil, nil, fmt.Errorf("write the configuration: %w", err)
		}
	}
	return zoocfg.Load(file, zoocfg.Properties(e.opt.System))
}
