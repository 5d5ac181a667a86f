package source

import (
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// locations are the forms of locations, on every system.
var locations = []struct {
	text string
	want Location // without Text
	err  string   // part of the reason; with the Form of want
}{
	// Znode paths.
	{"/", Location{Path: "/"}, ""},
	{"/app", Location{Path: "/app"}, ""},
	{"/app/", Location{Path: "/app/"}, ""}, // command.Absolute removes the slash
	{"app", Location{Path: "app"}, ""},
	{"../app", Location{Path: "../app"}, ""},
	{".", Location{Path: "."}, ""},
	{"./prod:/app", Location{Path: "./prod:/app"}, ""},
	{"/prod:/app", Location{Path: "/prod:/app"}, ""},
	{"a/b:/c", Location{Path: "a/b:/c"}, ""},
	{"prod:", Location{Path: "prod:"}, ""},
	{"localhost:2181/app", Location{Path: "localhost:2181/app"}, ""},
	{"file", Location{Path: "file"}, ""},
	{"files:x", Location{Path: "files:x"}, ""},
	{"zk", Location{Path: "zk"}, ""},
	{`C:\zk`, Location{Path: `C:\zk`}, ""},
	{"a@0x1", Location{Path: "a@0x1"}, ""},
	{"", Location{}, "empty"},
	// Names.
	{"prod:/app", Location{Form: Named, Name: "prod", Path: "/app"}, ""},
	{"prod:/", Location{Form: Named, Name: "prod", Path: "/"}, ""},
	{"prod:/app/", Location{Form: Named, Name: "prod", Path: "/app"}, ""},
	{"my prod:/app", Location{Form: Named, Name: "my prod", Path: "/app"}, ""},
	{"dev-1.x_y:/a:/b", Location{Form: Named, Name: "dev-1.x_y", Path: "/a:/b"}, ""},
	{"prod@east:/app", Location{Form: Named, Name: "prod@east", Path: "/app"}, ""},
	{"zk1:/app", Location{Form: Named, Name: "zk1", Path: "/app"}, ""},
	{"files:/app", Location{Form: Named, Name: "files", Path: "/app"}, ""},
	{":/app", Location{Form: Named}, "./:/app"},
	{"C:/app", Location{Form: Named, Name: "C"}, "file:C:/app"},
	{"c:/zk/version-2:/app", Location{Form: Named, Name: "c"}, "at least two characters"},
	{"zk:/app", Location{Form: Named, Name: "zk"}, "zk://host:port"},
	{"ZK://h/app", Location{Form: Named, Name: "ZK"}, "zk://host:port"},
	{"FILE:/x", Location{Form: Named, Name: "FILE"}, "lower case"},
	{"localhost:2181:/app", Location{Form: Named, Name: "localhost:2181"}, "zk://localhost:2181/app"},
	{"a,b:/app", Location{Form: Named, Name: "a,b"}, "zk://a,b/app"},
	{"prod://app", Location{Form: Named, Name: "prod"}, "empty name"},
	{"http://host/app", Location{Form: Named, Name: "http"}, "empty name"},
	{"prod:/a/../b", Location{Form: Named, Name: "prod"}, `".." is not a valid`},
	// Servers.
	{"zk://h", Location{Form: Servers, Servers: "h", Path: "/"}, ""},
	{"zk://h/", Location{Form: Servers, Servers: "h", Path: "/"}, ""},
	{"zk://h:2181/app", Location{Form: Servers, Servers: "h:2181", Path: "/app"}, ""},
	{"zk://h1:1,h2:2/app/", Location{Form: Servers, Servers: "h1:1,h2:2", Path: "/app"}, ""},
	{"zk://[::1]:2181/a", Location{Form: Servers, Servers: "[::1]:2181", Path: "/a"}, ""},
	{"zk://h/a:/b@0x1", Location{Form: Servers, Servers: "h", Path: "/a:/b@0x1"}, ""},
	{"zk:///app", Location{Form: Servers}, "no server"},
	{"zk://u:p@h/app", Location{Form: Servers, Servers: "u:p@h"}, "anonymous"},
	{"zk://h:0/app", Location{Form: Servers, Servers: "h:0"}, "h:0"},
	{"zk://h//a", Location{Form: Servers, Servers: "h"}, "empty name"},
	// Files.
	{"file:snapshot.71", Location{Form: File, File: "snapshot.71", Path: "/"}, ""},
	{"file:snapshot.71:/app", Location{Form: File, File: "snapshot.71", Path: "/app"}, ""},
	{"file:snapshot.71:/", Location{Form: File, File: "snapshot.71", Path: "/"}, ""},
	{"file:/var/lib/zookeeper", Location{Form: File, File: "/var/lib/zookeeper", Path: "/"}, ""},
	{"file:///var/lib/zookeeper:/a", Location{Form: File, File: "///var/lib/zookeeper", Path: "/a"}, ""},
	{"file:/data@0x71", Location{Form: File, File: "/data", Zxid: 0x71, Path: "/"}, ""},
	{"file:/data@0x100000041:/app", Location{Form: File, File: "/data", Zxid: 0x100000041, Path: "/app"}, ""},
	{"file:/data@10m:/app", Location{Form: File, File: "/data", Time: now.Add(-10 * time.Minute), Path: "/app"}, ""},
	{"file:/data@2026-11-22T03:07:05Z", Location{Form: File, File: "/data", Time: now.Add(-8*time.Hour - 52*time.Minute - 55*time.Second), Path: "/"}, ""},
	{"file:/data@2026-11-22T03:07:05+01:00:/app", Location{Form: File, File: "/data", Time: now.Add(-9*time.Hour - 52*time.Minute - 55*time.Second), Path: "/app"}, ""},
	{"file:/a:/b:/c", Location{Form: File, File: "/a", Path: "/b:/c"}, ""},
	{"file:/a:/b@0x1", Location{Form: File, File: "/a", Path: "/b@0x1"}, ""},
	{"file:/a@b@0x1", Location{Form: File, File: "/a@b", Zxid: 1, Path: "/"}, ""},
	{"file:/a%40b", Location{Form: File, File: "/a@b", Path: "/"}, ""},
	{"file:/a%3a/b", Location{Form: File, File: "/a:/b", Path: "/"}, ""},
	{"file:/100%25:/x%41", Location{Form: File, File: "/100%", Path: "/x%41"}, ""},
	{"file:a b.gz", Location{Form: File, File: "a b.gz", Path: "/"}, ""},
	{"file:C:/zk/version-2", Location{Form: File, File: "C:/zk/version-2", Path: "/"}, ""},
	{"file:C:/zk/version-2:/app", Location{Form: File, File: "C:/zk/version-2", Path: "/app"}, ""},
	{`file:C:\zk\version-2@0x71:/app`, Location{Form: File, File: `C:\zk\version-2`, Zxid: 0x71, Path: "/app"}, ""},
	{`file:c:snapshot.1:/app`, Location{Form: File, File: `c:snapshot.1`, Path: "/app"}, ""},
	{`file:\\host\share\snapshot.1:/app`, Location{Form: File, File: `\\host\share\snapshot.1`, Path: "/app"}, ""},
	{`file:D:\a%20b@1d`, Location{Form: File, File: `D:\a b`, Time: now.Add(-24 * time.Hour), Path: "/"}, ""},
	{"file:x:/app", Location{Form: File, File: "x:/app", Path: "/"}, ""}, // a drive
	{"file:./x:/app", Location{Form: File, File: "./x", Path: "/app"}, ""},
	{"file:", Location{Form: File, Path: "/"}, "the file is missing"},
	{"file::/app", Location{Form: File, Path: "/app"}, "the file is missing"},
	{"file:@0x1", Location{Form: File, Zxid: 1, Path: "/"}, "the file is missing"},
	{"file:/data@", Location{Form: File, Path: "/"}, "%40"},
	{"file:/data@0xzz", Location{Form: File, Path: "/"}, `invalid zxid "0xzz"`},
	{"file:/data@0x0", Location{Form: File, Path: "/"}, "above 0"},
	{"file:/data@71", Location{Form: File, Path: "/"}, "a zxid starts with 0x"},
	{"file:/home/me@work/snapshot.1", Location{Form: File, Path: "/"}, "%40"},
	{"file:/a%4", Location{Form: File, Path: "/"}, "%25"},
	{"file:/a%zz", Location{Form: File, Path: "/"}, "%25"},
	{"file:/a%00b", Location{Form: File, Path: "/"}, "zero byte"},
	{"file:/a://b", Location{Form: File, Path: "/"}, "empty name"},
	{"file:/a:/b/./c", Location{Form: File, Path: "/"}, "not a valid znode name"},
}

func TestParse(t *testing.T) {
	if len(locations) < 60 {
		t.Fatalf("%d cases", len(locations))
	}
	for _, tc := range locations {
		got, err := Parse(tc.text, now)
		want := tc.want
		want.Text = tc.text
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) || !strings.Contains(err.Error(), want.Form.String()) {
				t.Errorf("%s: error %v, want one with %q about %v", tc.text, err, tc.err, want.Form)
			}
			continue
		}
		if err != nil || !got.Time.Equal(want.Time) {
			t.Errorf("%s: %v, time %v, want %v", tc.text, err, got.Time, want.Time)
		}
		got.Time, want.Time = time.Time{}, time.Time{}
		if got != want {
			t.Errorf("%s: %+v, want %+v", tc.text, got, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{"dev": true, "p1": true, "zk1": true, "p": false, "file": false, "File": false, "zk": false, "": false} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, tc := range locations {
		f.Add(tc.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse(text, now)
		if err != nil || l.Form != File {
			return
		}
		again, err := Parse(FilePrefix+EncodeFile(l.File)+":"+l.Path, now)
		if err != nil || again.File != l.File || again.Path != l.Path {
			t.Errorf("%q is written as %q, which is read as %+v, %v", l.File, EncodeFile(l.File), again, err)
		}
	})
}
