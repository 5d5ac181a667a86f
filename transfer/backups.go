package transfer

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/lazyre"
)

// backup is an export in the folder.
type backup struct {
	id   string
	file string
	when time.Time
	info fs.FileInfo
}

const (
	idForm = "20060102T150405Z"
	ending = ".jsonl.zst"
	latest = "latest" // the id of the newest
)

var idPattern = lazyre.New(`^([0-9]{8}T[0-9]{6}Z)(?:-[0-9]+)?$`)

// backups returns those in a folder, oldest first.
func backups(dir string) (list []backup, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ending)
		m := idPattern().FindStringSubmatch(id)
		if !ok || m == nil {
			continue
		}
		when, err := time.Parse(idForm, m[1])
		if err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		list = append(list, backup{id, filepath.Join(dir, e.Name()), when, info})
	}
	slices.SortFunc(list, func(a, b backup) int {
		return cmp.Or(a.when.Compare(b.when), len(a.id)-len(b.id), strings.Compare(a.id, b.id))
	})
	return list, nil
}

// find returns the backup that an id, the beginning of one, or latest means.
func find(dir, id string) (backup, error) {
	list, err := backups(dir)
	if err != nil {
		return backup{}, err
	}
	if len(list) == 0 {
		return backup{}, fmt.Errorf("no backup in %q", dir)
	}
	if id == latest {
		return list[len(list)-1], nil
	}
	var found []backup
	for _, b := range list {
		if b.id == id {
			return b, nil
		}
		if strings.HasPrefix(b.id, id) {
			found = append(found, b)
		}
	}
	switch {
	case len(found) == 1 && id != "":
		return found[0], nil
	case len(found) > 1:
		return backup{}, fmt.Errorf("%q is the beginning of %s in %q; give more of the id", id, command.Counted(len(found), "backup"), dir)
	}
	return backup{}, fmt.Errorf("no backup %q in %q; backup ls lists them", id, dir)
}

// folderAndIDs completes a folder of backups, and then their ids.
func folderAndIDs(last int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return command.Takes(command.File, 0, 0)(c, args, word)
		}
		if last >= 0 && len(args) > last {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, _ := backups(args[0])
		var ids []string
		for _, b := range list {
			ids = append(ids, b.id+"\t"+b.when.Local().Format(time.DateTime))
		}
		return append(ids, latest), cobra.ShellCompDirectiveNoFileComp
	}
}
