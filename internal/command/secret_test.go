package command

import "testing"

func TestSecret(t *testing.T) {
	set := Set{{Name: "addauth", Secret: true}, {Name: "ls"}, {Name: "help"}, {Name: "setAcl"}}
	for line, masked := range map[string]string{
		"addauth digest bob:SECRET":                      "addauth digest ****",
		"addauth":                                        "addauth",
		"  'addAuth' digest bob:SECRET":                  "addAuth digest ****",
		"adauth digest bob:SECRET":                       "adauth digest ****",
		"login digest:bob:SECRET":                        "login digest ****",
		"ls / ; addauth digest bob:SECRET":               "ls / ; addauth digest ****",
		"ls /;addauth digest:bob:SECRET":                 "ls /;addauth digest ****",
		"ls / ;adauth digest bob:SECRET":                 "ls / ;adauth digest ****",
		"ls / | zkctl -auth digest:bob:SECRET ls /":      "ls / | zkctl -auth ****",
		"ls / | zkctl --auth=digest:bob:SECRET ls /":     "ls / | zkctl --auth= ****",
		"ls / | x --tls-keystore-password SECRET":        "ls / | x --tls-keystore-password ****",
		"ls / | sh -c 'zkctl addauth digest bob:SECRET'": "ls / | sh -c 'zkctl addauth digest ****",
		"time addauth digest bob:SECRET":                 "time addauth digest ****",
		"repeat 2 addauth custom SECRET":                 "repeat 2 addauth custom ****",
		"multi 'addauth digest bob:SECRET'":              "multi 'addauth digest ****",
		"ls \\\n/; addauth digest \\\nbob:SECRET":        "ls \\\n/; addauth digest ****",
		"echo $(addauth digest bob:SECRET)":              "echo $(addauth digest ****",
	} {
		if got := set.Masked(line); !set.Secret(line) || got != masked {
			t.Errorf("%q is shown as %q, want %q", line, got, masked)
		}
	}
	for _, line := range []string{"", "ls /", "help addauth", "ls /addauth /x /y", "setAcl /a auth::cdrwa", "ls -auth", "setAcl /a digest:bob:hash:cdrwa",
		"ls / | grep addauth", "ls / # x", "set /login a b"} {
		if set.Secret(line) {
			t.Errorf("%q holds no secret", line)
		}
	}
}
