package zoocfg

import "strconv"

// NextDynamicFile is where a member keeps a configuration that is proposed but not
// committed: zoo.cfg.dynamic.next.
func NextDynamicFile(configFile string) string { return configFile + ".dynamic.next" }

// DynamicFileName is where a committed configuration is kept: zoo.cfg.dynamic.100000003.
func DynamicFileName(configFile string, version int64) string {
	return configFile + ".dynamic." + strconv.FormatUint(uint64(version), 16)
}
