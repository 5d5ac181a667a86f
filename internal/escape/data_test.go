package escape

import "testing"

func TestDataForms(t *testing.T) {
	for _, test := range []struct {
		form     DataForm
		data     string
		text     string
		encoding DataForm
		json     string
	}{
		{DataText, "é\n", "é\n", "", `"é\n"`},
		{DataText, "", "", "", `""`},
		{DataText, "\xff", "/w==", DataBase64, `"/w==","encoding":"base64"`},
		{DataBase64, "a", "YQ==", DataBase64, `"YQ==","encoding":"base64"`},
		{DataHex, "a\xff", "61ff", DataHex, `"61ff","encoding":"hex"`},
		{"", "a", "a", "", `"a"`},
	} {
		text, encoding := test.form.Encode([]byte(test.data))
		json := string(test.form.AppendJSON(nil, []byte(test.data)))
		if text != test.text || encoding != test.encoding || json != test.json {
			t.Errorf("%q as %q: %q, %q, %s", test.data, test.form, text, encoding, json)
		}
	}
	if json := string(DataHex.AppendJSON(nil, nil)); json != "null" {
		t.Errorf("no data: %s", json)
	}
}
