package commands

import "slices"

// sortNames sorts as zkCli does: as Java compares strings, by UTF-16 code units. That is the
// order of bytes but for characters beyond U+FFFF, which no znode's name may have
// (PathUtils.validatePath refuses surrogates).
func sortNames(names []string) { slices.Sort(names) }
