package recipe

import (
	"fmt"
	"strings"
	"testing"
)

const uuid = "91c0ad6e-4cd0-4cf0-a5b5-6b1c2b6d2b6f"

func TestParseName(t *testing.T) {
	for name, want := range map[string]string{
		"_c_" + uuid + "-lock-0000000007":                     "curator lock 7 " + uuid,
		"_c_" + uuid + "-latch-0000000008":                    "curator leader 8 " + uuid,
		"_c_" + uuid + "-lease-0000000009":                    "curator lease 9 " + uuid,
		"_c_" + uuid + "-__READ__0000000010":                  "curator read 10 " + uuid,
		"_c_" + uuid + "-__WRIT__2147483647":                  "curator write 2147483647 " + uuid,
		"lock-0000000001":                                     "curator lock 1 ",
		"0d3ffd9e9a3e4a4f8f0c5c5b7a3d1f7e__lock__0000000002":  "kazoo lock 2 0d3ffd9e9a3e4a4f8f0c5c5b7a3d1f7e",
		"0d3ffd9e9a3e4a4f8f0c5c5b7a3d1f7e__rlock__0000000003": "kazoo read 3 0d3ffd9e9a3e4a4f8f0c5c5b7a3d1f7e",
		"_c_" + uuid + "__lock__0000000003":                   "zkctl lock 3 " + uuid,
		"x-72057740551979008-0000000004":                      "zookeeper lock 4 72057740551979008",
		"x--72057740551979008-0000000004":                     "zookeeper lock 4 -72057740551979008",
		"LOCK-SHARED-0000000005":                              "hive read 5 ",
		"LOCK-EXCLUSIVE-0000000006":                           "hive write 6 ",
		"72057740551979008-core_node3-n_0000000007":           "solr leader 7 72057740551979008-core_node3",
		"n-0000000007":                                        "",
		"lock-000000001":                                      "",
		"lock-":                                               "",
		"":                                                    "",
	} {
		got := ""
		if c, ok := ParseName(name); ok {
			got = fmt.Sprint(c.Layout, " ", c.Role, " ", c.Seq, " ", c.ID)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// The queue as each project's own contenders see it.
func TestQueue(t *testing.T) {
	for _, test := range []struct{ names, want string }{
		{"_c_a-lock-0000000001 _c_b-lock-0000000000 plain", "b holds, a after _c_b-lock-0000000000"},
		{"a__lock__0000000001 b__rlock__0000000000 c__rlock__0000000002", "b holds, a after b__rlock__0000000000, c after a__lock__0000000001"},
		{"_c_a-__READ__0000000000 _c_b-__READ__0000000001 _c_c-__WRIT__0000000002", "a holds, b holds, c after _c_b-__READ__0000000001"},
		{"_c_a-lease-0000000000 _c_b-lease-0000000001", "a holds, b holds"},
		{"_c_a-lock-0000000000 b__lock__0000000001", "a holds, b holds"}, // which do not see each other
		{"_c_z-lock-0000000000 _c_z__lock__0000000001 _c_a-lock-0000000002 b__lock__0000000003",
			"z holds, a after _c_z-lock-0000000000, b after _c_z__lock__0000000001"},
		{"b__lock__0000000000 _c_z-lock-0000000001 _c_z__lock__0000000002 _c_z-latch-0000000003 _c_l-latch-0000000004",
			"b holds, z after b__lock__0000000000, l after _c_z-latch-0000000003"},
		{"plain", ""},
	} {
		var got []string
		for _, p := range Queue(strings.Fields(test.names)) {
			if p.Holds {
				got = append(got, p.ID+" holds")
			} else {
				got = append(got, p.ID+" after "+p.After)
			}
		}
		if text := strings.Join(got, ", "); text != test.want {
			t.Errorf("%s: %s, want %s", test.names, text, test.want)
		}
	}
	queue := Queue([]string{"_c_z-lock-0000000000", "_c_z__lock__0000000001", "_c_z-latch-0000000002"})
	if len(queue) != 1 || queue[0].Layout != "zkctl" || queue[0].Role != Leader || len(queue[0].Others) != 2 {
		t.Errorf("%+v", queue)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("_c_" + uuid + "-lock-0000000007")
	f.Add("x--1-0000000004 lock-0000000001")
	f.Fuzz(func(t *testing.T, text string) {
		names := strings.Split(text, " ")
		holders := 0
		queue := Queue(names)
		for _, p := range queue {
			if p.Holds {
				holders++
			}
			if p.Holds != (p.After == "") || p.Seq < 0 {
				t.Errorf("%+v", p)
			}
		}
		if len(queue) > 0 && holders == 0 {
			t.Errorf("%q: nobody holds the lock", text)
		}
	})
}
