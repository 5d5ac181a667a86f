package zoocfg

import (
	"fmt"
	"slices"
	"strings"
)

// Changed returns the sorted keys that differ between two texts of a zoo.cfg. Comments and the order of lines do not count.
// Nor does what a member itself rewrites when its ensemble is reconfigured: once either text refers to a dynamic
// configuration, the keys that EditStatic may remove or set are ignored.
func Changed(before, after []byte) ([]string, error) {
	old, oldDynamic, err := staticKeys(before)
	if err != nil {
		return nil, err
	}
	now, nowDynamic, err := staticKeys(after)
	if err != nil {
		return nil, err
	}
	var changed []string
	differ := func(key string, same bool) {
		if !same && !((oldDynamic || nowDynamic) && leavesStatic(key, true)) {
			changed = append(changed, key)
		}
	}
	for key, value := range old {
		other, ok := now[key]
		differ(key, ok && other == value)
	}
	for key := range now {
		if _, ok := old[key]; !ok {
			differ(key, false)
		}
	}
	slices.Sort(changed)
	return changed, nil
}

// staticKeys returns the properties, and whether they refer to a dynamic configuration.
func staticKeys(text []byte) (p Properties, dynamic bool, err error) {
	entries, err := parseProperties(text)
	if err != nil {
		return nil, false, fmt.Errorf("read the configuration: %w", err)
	}
	p = Properties{}
	for _, e := range entries {
		p[strings.TrimSpace(e.key)] = strings.TrimSpace(e.value)
	}
	_, dynamic = p["dynamicConfigFile"]
	return p, dynamic, nil
}
