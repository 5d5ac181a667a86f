package commands

import (
	"github.com/fatih/color"

	"github.com/zkctl/zkctl/internal/follow"
	"github.com/zkctl/zkctl/internal/proto"
)

// kindColor is the colour of a kind of change on a terminal.
func kindColor(kind follow.Kind) color.Attribute {
	switch kind {
	case follow.Created:
		return color.FgGreen
	case follow.Deleted:
		return color.FgRed
	case follow.Changed:
		return color.FgYellow
	case follow.Start:
		return color.Faint
	}
	return color.FgCyan
}

// changeJSON is a change in JSON. time is in ms since 1970.
type changeJSON struct {
	Time   int64       `json:"time"`
	Change follow.Kind `json:"change"`
	pathJSON
	Missed  bool         `json:"missed,omitempty"`
	Old     *versionJSON `json:"old"` // null if it did not exist, and at the start
	New     *stateJSON   `json:"new"` // null if it does not exist
	Names   []string     `json:"children,omitempty"`
	Added   []string     `json:"added,omitempty"`
	Removed []string     `json:"removed,omitempty"`
	Error   string       `json:"error,omitempty"` // why the data or the children are missing
}

type versionJSON struct {
	Czxid      string `json:"czxid"`
	Mzxid      string `json:"mzxid"`
	Version    int32  `json:"version"`
	Aversion   int32  `json:"aversion"`
	DataLength int32  `json:"dataLength"`
	*dataJSON
}

type stateJSON struct {
	*statJSON
	*dataJSON
}

func (w *watcher) json(c *follow.Change) *changeJSON {
	j := &changeJSON{Time: c.Time.UnixMilli(), Change: c.Kind, pathJSON: jsonPath(c.Path), Missed: c.Missed}
	shown := w.value || w.diff
	if c.Old != nil {
		j.Old = &versionJSON{proto.Hex(c.Old.Czxid), proto.Hex(c.Old.Mzxid), c.Old.Version, c.Old.ACL, c.Old.Length, nil}
		if shown && c.HasOldData {
			data := jsonData(c.OldData)
			j.Old.dataJSON = &data
		}
	}
	if c.New != nil {
		j.New = &stateJSON{jsonStat(*c.New), nil}
		if shown && c.HasData {
			data := jsonData(c.Data)
			j.New.dataJSON = &data
		}
	}
	switch c.Kind {
	case follow.Start, follow.Created:
		j.Names = c.Names
	case follow.Children:
		j.Added, j.Removed = c.Added, c.Gone
	}
	if c.Refused != nil {
		j.Error = c.Refused.Error()
	}
	return j
}
